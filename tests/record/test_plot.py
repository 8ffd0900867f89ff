"""A record's figure: what is in it, and what it becomes."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

import factories
from lnbench.errors import ProtocolError, UnavailableError
from lnbench.record.record import Record
from lnbench.text import points

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture(scope="module")
def made() -> Record:
    return factories.make(factories.small(3, 2), parameters={"price": "$x_{"})


def test_the_figure_says_what_it_shows(made: Record) -> None:
    figure: Any = made.plot().figure
    assert figure.get_suptitle().startswith(f"made_up(price=$x_{{) on digits-9to0: {points(made.score.drop_pp)} pp [")
    splits, *panels = figure.axes
    assert (splits.get_xlabel(), splits.get_ylabel()) == ("split", "AA(random) − AA(poisoned), points")
    zero, drops, mean = splits.lines
    assert list(drops.get_ydata()) == list(made.score.split_drops_pp) and list(drops.get_xdata()) == [0, 1, 2]
    assert (zero.get_ydata()[0], mean.get_ydata()[0]) == (0.0, made.score.drop_pp)
    for axes, victim in zip(panels, made.track.victims, strict=True):
        assert axes.get_title(loc="left") == victim.name and axes.get_xlabel() == "ε, radius of the ℓ∞ ball"
        assert axes.get_ylabel() == "adversarial accuracy, %"
        for line, arm in zip(axes.lines, made.arms, strict=False):
            curve = made.arms[arm].curve[victim.name]
            assert curve.targeted is not None and line.get_label() == arm
            assert list(line.get_ydata()) == [100 * share for share in curve.targeted]
        assert axes.lines[-1].get_label() == "scored here"
        assert set(axes.lines[-1].get_xdata()) == {made.track.epsilon(victim)}


def test_it_is_saved_as_either_kind_of_file_and_shown_by_a_notebook(made: Record, tmp_path: Path) -> None:
    made.plot().save(tmp_path / "new" / "a.png")
    made.plot().save(str(tmp_path / "a.SVG"))
    assert (tmp_path / "new" / "a.png").read_bytes().startswith(b"\x89PNG")
    svg = (tmp_path / "a.SVG").read_text()
    assert svg == made.plot()._repr_svg_() and "<svg" in svg and "adversarial accuracy, %" in svg
    assert not re.search(r"<script|href=\"http", svg)
    with pytest.raises(ProtocolError, match=r"ending in \.svg or \.png, got a\.pdf"):
        made.plot().save(tmp_path / "a.pdf")
    with pytest.raises(UnavailableError, match="cannot be written"):
        made.plot().save(tmp_path / "a.SVG" / "b.svg")


def test_a_record_without_a_score_has_a_figure_too() -> None:
    def diverged(victim: dict[str, object]) -> None:
        victim["diverged"] = True

    figure: Any = factories.make(factories.small(2, 1), change=diverged).plot().figure
    assert figure.get_suptitle() == "made_up on digits-9to0: – pp –"


def test_without_matplotlib_it_says_what_to_install(made: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UnavailableError, match=r"pip install 'lnbench\[figures\]'"):
        made.plot()
