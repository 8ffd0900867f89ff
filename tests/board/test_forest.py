"""The forest plot: marks where the scores are, in shapes that say what was shown."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

import factories
from lnbench import record
from lnbench.board import build, load

TRACK = factories.small(4, 2)


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board with a row that beats random flips, two that nothing is shown of, and one that is worse."""
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK)
    folder = tmp_path / "leaderboard"
    for i, effect in enumerate((0.0, 0.3, 0.05, -0.3)):
        made = factories.make(TRACK, name=f"attack_{i}", effect=effect, seed=i, source=f"# {i}\n")
        record.write(made, folder / "records" / TRACK.name / made.filename)
    build(folder / "records", folder)
    return folder


def test_the_forest_plot_places_its_marks_by_score_and_shapes_them_by_verdict(board: Path) -> None:
    root = ET.fromstring((board / "figures" / "digits-9to0-scores.svg").read_text())
    space = "{http://www.w3.org/2000/svg}"
    marks = [e.attrib for e in root.iter(f"{space}path")][3:]  # after the legend's
    rows = load(board / "records").tables[0].rows
    across = [float(re.findall(r"[\d.]+", mark["transform"])[0]) for mark in marks]
    slopes = np.diff(across) / np.diff([row.drop for row in rows])
    assert slopes == pytest.approx([slopes[0]] * 3, rel=0.02)
    assert slopes[0] > 0
    zero = next(float(e.attrib["x1"]) for e in root.iter(f"{space}line") if e.attrib["class"] == "axis")
    assert zero == pytest.approx(across[0] - slopes[0] * rows[0].drop, abs=0.2)
    kinds = {"yes": "mark beats", "not shown": "mark unclear", "worse": "mark worse"}
    assert [mark["class"] for mark in marks] == [kinds[str(row.beats_random)] for row in rows]
    assert {str(row.beats_random) for row in rows} == set(kinds), "all three are there"
    assert len({mark["d"] for mark in marks}) == 3, "told apart without colour too"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_figure_of_the_readme_is_the_same_in_both_schemes(board: Path, scheme: str) -> None:
    figure, plain = (
        (board / "figures" / f"{name}.svg").read_text() for name in (f"board-{scheme}", "digits-9to0-scores")
    )
    assert figure.partition("</style>")[2] == plain.partition("</style>")[2]
    assert "@media" not in figure and ("color: #e6edf3" in figure) == (scheme == "dark")
