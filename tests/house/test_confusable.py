"""Names that can be taken for each other, and names that cannot."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench.confusable import imitated, mixes_scripts, skeleton
from walk import ROOT


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("m\u0430tched_search", "matched_search"),  # a Cyrillic letter
        ("matched-search", "matched_search"),
        ("matchedsearch", "matched_search"),
        ("rand0m_flip", "random_flip"),
        ("random_f1ip", "random_flip"),
        ("randorn_flip", "random_flip"),
        ("high\u200b_degree", "high_degree"),
        ("\uff41lfa", "alfa"),  # a full-width letter
        ("\u03b1lfa", "alfa"),  # a Greek one
        ("\u0410LFA", "alfa"),
        ("\u0397igh_degree", "high_degree"),  # a Greek capital
        ("AIice Ann", "Alice Ann"),
        ("A. Author", "A Author"),
        ("Zoe", "Zo\u00eb"),
    ],
)
def test_alike(name: str, other: str) -> None:
    assert skeleton(name) == skeleton(other) and imitated(name, ["far", other]) == other
    assert imitated(other, [name]) == name


def test_the_bundled_attacks_do_not_look_alike() -> None:
    names = sorted(
        path.stem for folder in ("attacks", "defences", "submissions") for path in (ROOT / folder).glob("*.py")
    )
    assert len(names) > 15
    assert [name for name in names if imitated(name, names)] == []
    assert imitated("boundary_distance", ["boundary_distance", "degree_bucket"]) is None


@pytest.mark.parametrize(
    ("name", "mixed"),
    [("m\u0430tched", True), ("\u03c3igma", True), ("Мария Ann", False), ("Zoë", False), ("ΜΑΡΙΑ", False), ("", False)],
)
def test_mixed_scripts(name: str, mixed: bool) -> None:
    assert mixes_scripts(name) is mixed


@given(st.text(max_size=20))
def test_any_name_has_a_skeleton_and_does_not_imitate_itself(name: str) -> None:
    assert skeleton(skeleton(name)) == skeleton(name) or len(skeleton(skeleton(name))) < len(skeleton(name))
    assert imitated(name, [name]) is None
