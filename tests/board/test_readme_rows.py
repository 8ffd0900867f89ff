"""The first rows of every track in the README of the repository that a board is in."""

from __future__ import annotations

from pathlib import Path

import pytest

import factories
from lnbench import record
from lnbench.board import build, check
from lnbench.board.readme import BEGIN, END, ROWS
from lnbench.errors import ProtocolError

TRACK = factories.small(3, 2)
DAMAGE = factories.track(
    name="damaging",
    damage={"epsilon": 0.03},
    replication={"splits": 3, "seeds": 2, "quick_splits": 2, "quick_seeds": 1},
)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A board of two tracks in a repository, built."""
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK, DAMAGE)
    board = tmp_path / "repository" / "leaderboard"
    (board.parent / "attacks").mkdir(parents=True)
    (board.parent / "attacks" / "attack_5.py").write_text(factories.taking(factories.SOURCE, {"x": ""}))
    for i in range(ROWS + 1):
        made = factories.make(TRACK, name=f"attack_{i}", effect=0.05 * i, seed=i, parameters={"x": f"<b>|{i}"})
        record.write(made, board / "records" / TRACK.name / made.filename)
    made = factories.make(DAMAGE, effect=0.3)
    record.write(made, board / "records" / DAMAGE.name / made.filename)
    return board


def test_the_first_rows_of_every_track_stand_between_the_markers(board: Path) -> None:
    readme = board.parent / "README.md"
    readme.write_text(f"Before.\n{BEGIN}old\n{END}After.\n")
    assert readme in check(board / "records", board)
    assert readme in build(board / "records", board)
    text = readme.read_text()
    assert text.startswith(f"Before.\n{BEGIN}") and text.endswith(f"{END}After.\n") and "old" not in text
    shown = [line for line in text.splitlines() if "attack" in line]
    assert len(shown) == ROWS and r"[attack\_5(x=&lt;b&gt;\|5)](attacks/attack_5.py)" in shown[0]
    assert "the first 5 of 6 rows." in text and "one row." in text
    assert text.count("damage, pp") == 1, "of the track that has it"
    assert build(board / "records", board) == check(board / "records", board) == []
    readme.write_text(text.replace("yes", "no"))
    assert check(board / "records", board) == [readme]


def test_a_readme_without_markers_is_left_alone(board: Path) -> None:
    readme = board.parent / "README.md"
    assert readme not in build(board / "records", board)
    assert not readme.exists()
    readme.write_text("Nothing of a board.\n")
    assert build(board / "records", board) == [] and readme.read_text() == "Nothing of a board.\n"


@pytest.mark.parametrize("text", [BEGIN, END, END + BEGIN, 2 * (BEGIN + END), BEGIN + BEGIN + END])
def test_markers_that_are_no_pair_are_refused_before_anything_is_written(board: Path, text: str) -> None:
    (board.parent / "README.md").write_text(text)
    with pytest.raises(ProtocolError, match="needs one pair of the lines"):
        build(board / "records", board)
    assert not (board / "README.md").exists()
