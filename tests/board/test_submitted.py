"""`leaderboard.add(…, submissions=…)`: a record may come from elsewhere, its source must be a file that was merged."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import factories
from lnbench import cli, record
from lnbench.board import add
from lnbench.errors import RecordError

TRACK = factories.small(4, 2)
SOURCE = "a = 1\n"


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with `leaderboard/records` and one submission, where one small track ships."""
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK)
    (tmp_path / "leaderboard" / "records").mkdir(parents=True)
    (tmp_path / "submissions").mkdir()
    (tmp_path / "submissions" / "mine.py").write_text(SOURCE)
    return tmp_path


def made(place: Path, name: str, source: str) -> Path:
    """A record's file."""
    path = place / "made.json"
    record.write(factories.make(TRACK, name=name, source=source), path)
    return path


def test_a_record_of_a_merged_file_is_added(place: Path) -> None:
    (added,) = add([made(place, "mine", SOURCE)], place / "leaderboard" / "records", submissions=place / "submissions")
    assert added.name.startswith("mine-")


@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("mine", "a = 2\n", r"made from another mine\.py than the one in .*submissions\.$"),
        ("yours", SOURCE, r"it is of yours, and .*submissions has no file of that name\.$"),
    ],
)
def test_any_other_is_refused_and_not_copied(place: Path, name: str, source: str, words: str) -> None:
    path = made(place, name, source)
    with pytest.raises(RecordError, match=words):
        add([path], place / "leaderboard" / "records", submissions=place / "submissions")
    assert not list((place / "leaderboard" / "records").rglob("*.json"))
    (place / "submissions" / "mine.py").unlink()
    add([path], place / "leaderboard" / "records")  # it was only this that kept it out


def test_the_command_line_passes_it_on(place: Path) -> None:
    options = ["--folder", str(place / "leaderboard"), "--submissions", str(place / "submissions")]
    done = CliRunner().invoke(cli.cli, ["leaderboard", "add", str(made(place, "mine", "a = 3\n")), *options])
    assert done.exit_code == 1 and "made from another mine.py" in done.stderr
    done = CliRunner().invoke(cli.cli, ["leaderboard", "add", str(made(place, "mine", SOURCE)), *options])
    assert done.exit_code == 0 and "added: " in done.stdout
