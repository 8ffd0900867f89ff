"""Where a new record would stand, and which row it equals."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

import factories
import tiny
from lnbench import record
from lnbench.board.placing import placing
from lnbench.cli import _report, cli
from lnbench.errors import RecordError
from lnbench.evaluation import conductor

TRACK = factories.small(6, 1)


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records of a board: three rows of quite different strength, and one that cannot rank."""
    folder = tmp_path_factory.mktemp("board") / "records"
    for i, effect in enumerate((0.3, 0.1, -0.2)):
        made = factories.make(TRACK, name=f"row{i}", source=f"row = {i}\n", effect=effect, seed=i)
        assert made.ranked
        record.write(made, folder / TRACK.name / made.filename)
    quick = factories.make(TRACK, name="quick", source="quick\n", quick=True)
    record.write(quick, folder / TRACK.name / quick.filename)
    return folder


def _row(records: Path, name: str) -> record.Record:
    (path,) = (records / TRACK.name).glob(f"{name}-*.json")
    return record.read(path)


def test_a_new_row_is_placed_among_the_others(records: Path) -> None:
    best = factories.make(TRACK, name="new", source="new\n", effect=0.45, seed=9)
    worst = factories.make(TRACK, name="new", source="new\n", effect=-0.45, seed=9)
    assert placing(best, records).interval == (1, 1) and placing(worst, records).interval == (4, 4)
    assert placing(best, records).sentences == ["It would rank 1 of 4 on the board."]


def test_the_same_bits_from_another_environment_are_named(records: Path) -> None:
    theirs = _row(records, "row1")
    mine = factories.make(
        TRACK,
        name="row1",
        source="row = 1\n",
        effect=0.1,
        seed=1,
        environment={"id": "f" * 64, "parts": {"device": "cpu"}},
    )
    assert mine.sha256 != theirs.sha256
    found = placing(mine, records)
    assert (found.rows, found.equal, found.elsewhere) == (3, theirs.filename, True)
    assert found.sentences[0] == (
        f"Equal to the board's row {theirs.filename}: the same flips and the same {len(mine.victims)} victims, bit for "
        "bit, although environment or code are others."
    )
    assert "although" not in placing(theirs, records).sentences[0]


def test_other_victims_of_the_same_flips_are_counted(records: Path) -> None:
    theirs = _row(records, "row1")
    document = theirs.to_dict()
    document["victims"][0]["train_correct"] -= 1
    found = placing(factories.rehashed(document), records)
    assert (found.equal, found.same_flips, found.alike) == (None, theirs.filename, len(theirs.victims) - 1)
    assert f"{found.alike} of {found.victims} victims are the same bit for bit" in found.sentences[0]


def test_the_rival_is_not_its_own_earlier_row(records: Path) -> None:
    again = factories.make(TRACK, name="row2", source="row = 2\n", effect=0.4, seed=7)
    assert placing(again, records).rows == 3


def test_evaluate_says_it_of_a_ranked_record_and_never_fails_by_it(
    records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.py").write_text(tiny.POISONER)
    tiny.write(tmp_path / "tiny.toml")
    made = _row(records, "row0")
    monkeypatch.setattr(conductor, "evaluate", lambda *_, **__: made)
    board = str(records.parent)
    done = CliRunner().invoke(cli, ["evaluate", "first.py", "--track", "tiny.toml", "--board", board])
    assert done.exit_code == 0 and done.stdout.splitlines()[-1] == "It would rank 1 of 3 on the board."
    assert f"Equal to the board's row {made.filename}" in done.stdout
    assert done.stderr.splitlines()[-1].startswith("record: ")
    (tmp_path / "board" / "records" / TRACK.name).mkdir(parents=True)
    (tmp_path / "board" / "records" / TRACK.name / "x.json").write_text("{}")
    with pytest.raises(RecordError):
        placing(made, tmp_path / "board" / "records")
    _report.print_placing(made, tmp_path / "board", err=False)
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("note: its rank is not known: ")


def test_a_record_that_cannot_rank_is_not_placed(records: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _report.print_placing(factories.make(TRACK, quick=True), records.parent, err=False)
    assert capsys.readouterr() == ("", "")
