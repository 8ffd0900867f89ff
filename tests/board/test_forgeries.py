"""What somebody may have put into the folder of the board: names, parameters, blocks and links."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

import factories
from doors import force, put
from lnbench import record
from lnbench.board import build, check
from lnbench.errors import RecordError

TRACK = factories.small(2, 1)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty leaderboard in a repository."""
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK)
    folder = tmp_path / "repository" / "leaderboard"
    (folder / "records").mkdir(parents=True)
    return folder


def test_a_row_called_as_another_file_of_the_repository_is_found_by_check(board: Path) -> None:
    made = factories.make(TRACK, name="random_search")
    put(board, made)
    build(board / "records", board)
    (board.parent / "attacks").mkdir()
    (board.parent / "attacks" / "random_search.py").write_text("# the real one\n")
    with pytest.raises(RecordError, match=f"{made.filename}: it is called random_search, and was made from another"):
        check(board / "records", board)


def test_nothing_is_written_over_another_record(board: Path) -> None:
    made = factories.make(TRACK)
    target = board / "records" / TRACK.name / made.filename
    record.write(factories.make(TRACK, name="other", source="# other\n"), target)
    before = target.read_bytes()
    with pytest.raises(RecordError, match="another record lies there"):
        put(board, made)
    assert target.read_bytes() == before


def test_figures_elsewhere_are_not_touched(board: Path, tmp_path: Path) -> None:
    put(board, factories.make(TRACK))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "holiday.svg").write_text("<svg/>")
    (board / "figures").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordError, match="figures is a link"):
        build(board / "records", board)
    assert [path.name for path in (tmp_path / "elsewhere").iterdir()] == ["holiday.svg"]


def test_a_record_whose_blocks_do_not_follow_is_named_by_build(board: Path) -> None:
    put(board, factories.make(TRACK))
    document = copy.deepcopy(dict(factories.make(TRACK, name="broken", source="# broken\n").document))
    document["score"]["per_architecture"] = {}
    path = force(board, factories.rehashed(document))
    for act in (build, check):
        with pytest.raises(RecordError, match=f"{path.name}: its check"):
            act(board / "records", board)


MINE = """import lnbench
class Mine(lnbench.Poisoner):
    share: float = 0.5
    def poison(self, problem):
        ...
"""


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"seed": 1}, "its source does not take its parameters: .*seed"),
        ({"share": 0.5}, "expected those that differ from the source's own; share does not"),
        ({"share": "half"}, "its source does not take its parameters: .*share"),
    ],
)
def test_a_row_has_no_parameters_but_its_sources(board: Path, parameters: dict[str, Any], words: str) -> None:
    put(board, factories.make(TRACK, source=MINE, parameters={"share": 0.25}))
    made = factories.make(TRACK, source=MINE, parameters=parameters, name="other")
    with pytest.raises(RecordError, match=words):
        put(board, made)
    path = force(board, made)
    with pytest.raises(RecordError, match=f"{path.name}: .*parameters"):
        check(board / "records", board)
