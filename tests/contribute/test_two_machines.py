"""Rows from two machines: labels made on one, victims trained on the other, the same record as from one alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import factories
import tiny
from lnbench import record
from lnbench.cli import cli
from lnbench.contribute import two_machines
from lnbench.errors import ProtocolError, UnavailableError
from lnbench.evaluation import calibration, conductor
from lnbench.evaluation.store import Store
from lnbench.poison import diagnosis
from lnbench.poison import sandbox as sandboxes
from lnbench.protocol import track as tracks

ROOT = Path(__file__).resolve().parents[2]
ROWS = ["my_poisoner", "random_flip"]
SHIPPED = ROOT / "lnbench" / "protocol" / "tracks"

needs_bubblewrap = pytest.mark.skipif(
    diagnosis.mode() != sandboxes.BUBBLEWRAP, reason=f"no bubblewrap here: {diagnosis.diagnose().reason}"
)


def tiny_track(folder: Path, calibrated: bool = True) -> str:
    """The file of a track of two splits and one seed."""
    keys = tiny.document() | {"calibrated": calibrated}
    keys["replication"] |= {"seeds": 1}
    return str(tiny.write(folder / "tiny.toml", keys))


@pytest.fixture
def no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has no sandbox, and on which poisoning anything fails the test."""

    def poisons(*_: object, **__: object) -> None:
        raise AssertionError("a submission ran on the machine that only trains")

    monkeypatch.setattr(diagnosis, "mode", lambda: sandboxes.NONE)
    monkeypatch.setattr("lnbench.evaluation.label_runs.poison", poisons)


def done(outcomes: list[two_machines.RowResult]) -> list[tuple[str | None, str | None]]:
    return [(found.row, None if found.error is None else type(found.error).__name__) for found in outcomes]


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A track, and a folder with the labels of two rows on it."""
    folder = tmp_path_factory.mktemp("here")
    track = tiny_track(folder)
    found = list(two_machines.labels([track], ROWS, folder / "rows", workers=1))
    assert done(found) == [("random_flip", None), ("my_poisoner", None)], "the row that calibrates goes first"
    assert not (folder / "rows" / "store" / "cells").exists()
    return track, folder / "rows"


@needs_bubblewrap
@pytest.mark.usefixtures("no_workers")
def test_a_row_from_two_machines_is_the_row_of_one(
    labelled: tuple[str, Path], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    track, here = labelled
    store = Store(tmp_path / "alone")
    alone = conductor.evaluate(two_machines.submission_of("my_poisoner"), tracks.load(track), workers=1, store=store)
    there = tmp_path / "there"
    shutil.copytree(here, there)
    request.getfixturevalue("no_sandbox")
    (found,) = two_machines.train([track], ["my_poisoner"], there, device="cpu", workers=1)
    assert found.path == there / "records" / "tiny" / alone.filename
    made = record.read(found.path)
    assert made.sha256 == alone.sha256
    assert made.document["sandbox"] == sandboxes.BUBBLEWRAP

    back = tmp_path / "back"
    shutil.copytree(here, back)
    shutil.copytree(there, back, dirs_exist_ok=True)
    told: list[conductor.Progress] = []
    again = conductor.evaluate(
        two_machines.submission_of("my_poisoner"),
        tracks.load(track),
        workers=1,
        stored_labels=True,
        store=Store(back / "store"),
        on_progress=told.append,
    )
    assert again.sha256 == alone.sha256
    assert told[-1].reused == told[-1].total == 6, "the cells came back with the folder"


@needs_bubblewrap
@pytest.mark.usefixtures("no_workers")
def test_labels_that_did_not_travel_are_missed_row_by_row(
    labelled: tuple[str, Path], tmp_path: Path, no_sandbox: None
) -> None:
    track, here = labelled
    there = tmp_path / "there"
    shutil.copytree(here, there)
    next((there / "store" / "labels").rglob("*.json")).unlink()
    found = list(two_machines.train([track], [*ROWS, "high_degree"], there, device="cpu", workers=1))
    assert len([f for f in found if f.path]) == 1
    assert sum(isinstance(f.error, UnavailableError) for f in found) == 2
    said = " ".join(str(f.error) for f in found if f.error)
    assert "has the labels of 2 of 3 runs of" in said and "0 of 3 runs of high_degree on tiny" in said
    assert "`lnbench rows labels` makes the others" in said


@needs_bubblewrap
@pytest.mark.usefixtures("no_workers")
def test_a_track_that_random_flip_does_not_calibrate_gets_no_other_rows(tmp_path: Path) -> None:
    track = tiny_track(tmp_path, calibrated=False)
    list(two_machines.labels([track], ["random_flip"], tmp_path / "rows", workers=1))
    found = list(two_machines.train([track], ROWS, tmp_path / "rows", device="cpu", workers=1))
    assert done(found) == [("random_flip", None), (None, "RecordError")]
    assert "its other rows are left out. " in str(found[1].error)
    made = record.read(found[0].path or "")
    assert calibration.calibrated(tracks.load(track)).sha256 == made.track.sha256, "the key once the file says so"


def test_labels_are_made_in_bubblewrap_alone(tmp_path: Path, no_sandbox: None) -> None:
    (found,) = two_machines.labels([tiny_track(tmp_path)], ["random_flip"], tmp_path / "rows")
    assert isinstance(found.error, UnavailableError)
    assert "a submission runs in a sandbox, and none works here" in str(found.error)


def test_every_listed_row_is_a_bundled_attack_with_its_parameters() -> None:
    listed = two_machines.reference_rows(ROOT / "attacks")
    assert {row.partition("(")[0] for row in listed} >= {p.stem for p in (ROOT / "attacks").glob("*.py")}
    for row in listed:
        made = two_machines.submission_of(row)
        shown = ", ".join(f"{name}={value}" for name, value in made.parameters.items())
        assert row == (f"{made.name}({shown})" if shown else made.name)


@pytest.mark.parametrize("row", ["", "name()", "name(x)", "name(x=1", "name(x=1) ", "../name", "name(x=1,y=2)"])
def test_what_is_no_row_is_said(row: str) -> None:
    with pytest.raises(ProtocolError, match="expected a row such as"):
        two_machines.submission_of(row)


def test_a_folder_without_a_list_is_said(tmp_path: Path) -> None:
    for content in (None, "= 3", "[[strategy]]\ndoes = 'x'\n", "strategy = 3\n"):
        if content is not None:
            (tmp_path / "strategies.toml").write_text(content)
        with pytest.raises(ProtocolError, match="does not list rows"):
            two_machines.reference_rows(tmp_path)


def test_every_track_is_either_made_here_or_by_the_gpu() -> None:
    here = {"digits-9to0", "digits-exact", "digits-pairs", "mnist-0v1", "mnist10k-9to0"}
    only_for_tests = {"cifar10jpeg-9to0", "cifar10n-9to1"}
    assert set(two_machines.GPU_TRACKS) | here | only_for_tests == {p.stem for p in SHIPPED.glob("*.toml")}
    assert not set(two_machines.GPU_TRACKS) & (here | only_for_tests)


def test_data_that_is_not_here_is_said_once_a_track(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LNBENCH_DATA", str(tmp_path))
    monkeypatch.setenv("LNBENCH_CACHE", str(tmp_path / "cache"))
    arguments = ["rows", "labels", "mnist-9to0", "cifar10-9to0", "--folder", str(tmp_path / "rows")]
    result = CliRunner().invoke(cli, [*arguments, "--attacks", str(ROOT / "attacks")])
    assert result.exit_code == 3
    assert result.stderr.count("error: mnist-9to0: ") == result.stderr.count("error: cifar10-9to0: ") == 1
    assert result.stdout == ""


def test_a_row_or_track_that_is_none_ends_with_usage(tmp_path: Path) -> None:
    for arguments, words in (
        (["digits-9to0", "--row", "nobody"], "bundled attack is called 'nobody'"),
        (["digits"], "no track is called 'digits'"),
    ):
        result = CliRunner().invoke(cli, ["rows", "train", "--device", "cpu", "--folder", str(tmp_path), *arguments])
        assert result.exit_code == 2 and words in result.stderr


def test_records_go_to_the_board_once_and_what_is_refused_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    track = factories.small(2, 1)
    factories.ship(monkeypatch, tmp_path / "tracks", track)
    (tmp_path / "board" / "records").mkdir(parents=True)
    folder, arguments = tmp_path / "rows", ["rows", "add", "--board", str(tmp_path / "board"), "--folder"]
    for name, box in (("good", "bubblewrap"), ("loose", "none")):
        made = factories.make(track, name=name, sandbox=box, source=f"# {name}\n")
        record.write(made, folder / "records" / track.name / made.filename)
    first = CliRunner().invoke(cli, [*arguments, str(folder)])
    assert first.exit_code == 1
    assert "done: good on digits-9to0: " in first.stdout and "README.md" in first.stdout
    assert "loose-" in first.stderr and "not ranked (no-sandbox" in first.stderr
    second = CliRunner().invoke(cli, [*arguments, str(folder)])
    assert second.stdout == first.stdout.partition("changed: ")[0], "there already: nothing changes"
    assert len(list((tmp_path / "board" / "records").rglob("*.json"))) == 1
    nothing = CliRunner().invoke(cli, [*arguments, str(tmp_path / "empty")])
    assert nothing.exit_code == 2 and "`lnbench rows train` writes them" in nothing.stderr
