"""Many poisoners on a track: shared arms once, by shards or at once, the records of single evaluations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import here
import tiny
from lnbench.cli import cli
from lnbench.data import Split
from lnbench.errors import ProtocolError, SubmissionError
from lnbench.evaluation import beats, conductor
from lnbench.evaluation.campaign import LABELS, Campaign, UnitResult
from lnbench.evaluation.campaign_status import status
from lnbench.evaluation.engine.local import LocalEngine
from lnbench.evaluation.store import Store
from lnbench.evaluation.units import Share, Unit, units_of
from lnbench.poison.in_process import InProcess
from lnbench.poison.run import PoisonedLabels, Submission
from lnbench.protocol import Streams, Track

LAST = tiny.POISONER.replace("problem.eligible[: problem.budget + self.more]", "problem.eligible[-problem.budget :]")
WRONG = tiny.POISONER.replace("more: int = 0", "more: int = 1")


def poison(submission: Submission, data: Split, track: Track, split: int, streams: Streams, **_: Any) -> PoisonedLabels:
    """A guest's answer without a guest: `tests/poison` has those."""
    names: dict[str, Any] = {}
    exec(submission.source, names)
    return InProcess(submission.name, names["First"], dict(submission.parameters)).answer(track, split, data, streams)


@pytest.fixture(scope="module", autouse=True)
def _in_this_process() -> Iterator[None]:
    with here.no_workers(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("lnbench.evaluation.label_runs.poison", poison)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("poisoners")
    for name, source in (("first", tiny.POISONER), ("last", LAST), ("wrong", WRONG)):
        (made / f"{name}.py").write_text(source, encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def track() -> Track:
    keys = tiny.document()
    keys["victims"][0] |= {"stack": 1, "options": {"width": 4, "depth": 1}}
    keys["victims"][0]["recipe"]["steps"] = 5
    return Track.from_document(keys)


def units(folder: Path, track: Track, *rows: str) -> list[Unit]:
    return [unit for unit in units_of(folder, [track]) if unit.row in rows]


def run(some: list[Unit], store: Store, **options: Any) -> list[UnitResult]:
    return list(Campaign(some, LocalEngine(1), store, quick=True, sandbox="none", **options).run())


@pytest.fixture(scope="module")
def alone(folder: Path, track: Track, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The hashes of the records of single evaluations."""
    store = Store(tmp_path_factory.mktemp("alone"))
    return {
        unit.row: conductor.evaluate(unit.submission, track, quick=True, sandbox="none", store=store, workers=1).sha256
        for unit in units(folder, track, "first", "last")
    }


def test_a_campaign_gives_the_records_of_single_evaluations_and_reports_what_fails(
    folder: Path, track: Track, tmp_path: Path, alone: dict[str, str]
) -> None:
    made = {r.row: r for r in run(units_of(folder, [track]), Store(tmp_path))}
    assert {row: made[row].record.sha256 for row in alone} == alone  # type: ignore[union-attr]
    assert isinstance(made["wrong"].error, SubmissionError) and "at most 4 changed labels, got 5" in str(
        made["wrong"].error
    )
    found = status(Store(tmp_path))
    assert found is not None and [t.track for t in found.tracks] == ["tiny"]
    assert (found.tracks[0].done, found.tracks[0].cells, found.rows, found.failed) == (8, 8, 3, 1), (
        "2 splits: clean, random, two rows"
    )
    assert [w.stage for w in found.workers] == ["ended"] and found.seconds_left is None


def test_shards_do_the_pieces_between_them_and_the_last_command_only_writes(
    folder: Path, track: Track, tmp_path: Path, alone: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, some = Store(tmp_path), units(folder, track, "first", "last")
    counts = []
    for index in (1, 2, 3):
        assert run(some, store, share=Share(index, 3), until="victims") == []
        counts.append(len(store.keys("cells")))
    assert counts[-1] == 8 and 0 < counts[0] < counts[1] < 8, "each did its part"

    def never(engine: LocalEngine, function: str, cells: list[Any]) -> Iterator[Any]:
        assert not cells, "nothing was left to do"
        return iter(())

    monkeypatch.setattr(LocalEngine, "map", never)
    assert {r.row: r.record.sha256 for r in run(some, store) if r.record} == alone


def test_a_shard_that_is_alone_makes_the_labels_it_needs(folder: Path, track: Track, tmp_path: Path) -> None:
    store, some = Store(tmp_path), units(folder, track, "first")
    assert run(some, store, share=Share(2, 2), until="victims") == []
    assert len(store.keys("cells")) == 3 and len(store.keys("labels")) >= 1


def test_labels_alone_train_nothing(folder: Path, track: Track, tmp_path: Path) -> None:
    store = Store(tmp_path)
    (made,) = run(units(folder, track, "first"), store, until=LABELS)
    assert made.error is None and made.record is None
    assert len(store.keys("labels")) == 2 and not store.keys("cells")


def test_a_process_that_is_silent_counts_as_dead(tmp_path: Path) -> None:
    said = {"stage": "victims", "time": 100.0}
    assert beats.alive(said, 101.0) and not beats.alive(said, 100.0 + beats.SILENT + 1)
    assert not beats.alive({**said, "stage": "ended"}, 101.0)


@pytest.mark.parametrize("text", ["", "1", "0/2", "3/2", "a/2", "1/2/3", "-1/2", "1/1000001"])
def test_what_is_no_shard_is_said(text: str) -> None:
    with pytest.raises(ProtocolError, match="expected a shard as i/n"):
        Share.parse(text)


def test_every_piece_is_in_one_shard() -> None:
    for count in (1, 2, 7):
        owners = [sum(Share(i, count).has(place) for i in range(1, count + 1)) for place in range(50)]
        assert owners == [1] * 50


def test_a_folder_without_poisoners_is_said(tmp_path: Path, track: Track) -> None:
    for place, words in ((tmp_path, "holds no poisoner"), (tmp_path / "none", "there is no folder")):
        with pytest.raises(ProtocolError, match=words):
            units_of(place, [track])


def test_a_list_of_rows_is_taken_with_its_parameters(folder: Path, track: Track, tmp_path: Path) -> None:
    (tmp_path / "first.py").write_text(tiny.POISONER, encoding="utf-8")
    (tmp_path / "strategies.toml").write_text('[[strategy]]\nrow = "first(more=0)"\n[[strategy]]\nrow = "first"\n')
    assert [(u.row, dict(u.submission.parameters)) for u in units_of(tmp_path, [track])] == [
        ("first(more=0)", {"more": "0"}),
        ("first", {}),
    ]


# --- the command line


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(cli, list(arguments))


def test_the_command_line_runs_a_campaign_and_says_how_far_it_is(
    folder: Path, track: Track, tmp_path: Path, cache: Path, alone: dict[str, str]
) -> None:
    file = tiny.write(tmp_path / "tiny.toml", track.document)
    common = ("--all", str(folder), "--tracks", str(file), "--quick", "--unsafe-no-sandbox", "--workers", "1")
    made = invoke("evaluate", *common, "--out", str(tmp_path / "out"))
    assert made.exit_code == 1 and "error: wrong on tiny: " in made.stderr and "got 5; change" in made.stderr
    assert made.stdout.count(" on tiny: ") == 2 and "2 of 3 records written" in made.stderr
    written = {json.loads(p.read_bytes())["sha256"] for p in (tmp_path / "out" / "tiny").glob("*.json")}
    assert written == set(alone.values())
    shown = invoke("status")
    assert shown.exit_code == 0 and "8 of 8 cells done" in shown.stdout and "ended" in shown.stdout
    assert json.loads(invoke("status", "--json").stdout)["failed"] == 1
    plan = invoke("plan", str(file), "--submissions", "10", "--gpus", "2", "--device", "cpu", "--price", "1")
    assert plan.exit_code == 0 and "wall time by simulation" in plan.stdout and "cost" in plan.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--all", "attacks", "first.py"], 2, "not both"),
        (["--all", "attacks", "--track", "digits-9to0"], 2, "--all goes with --tracks"),
        (["--all", "attacks", "--set", "a=1"], 2, "takes parameters from strategies.toml"),
        (["--all", "attacks", "--json"], 2, "--json goes with one evaluation"),
        (["random_flip", "--tracks", "digits-9to0"], 2, "--tracks goes with --all"),
        ([], 2, "Missing argument 'FILE|NAME'"),
        (["random_flip", "--shard", "3/2"], 2, "expected a shard as i/n"),
        (["--all", "nowhere"], 2, "there is no folder nowhere"),
        (["random_flip", "--address", "a:1"], 2, "an address is a Ray cluster's"),
        (["random_flip", "--engine", "slurm"], 2, "no engine is called 'slurm'; there are: local, ray"),
        (["random_flip", "--store", "nope://x"], 2, "no store opens nope://"),
    ],
)
def test_what_makes_no_sense_is_said(arguments: list[str], code: int, words: str, root: Path, cache: Path) -> None:
    made = invoke("evaluate", *[str(root / "attacks") if a == "attacks" else a for a in arguments])
    assert made.exit_code == code and words in made.stderr
    assert made.stdout == ""


def test_a_store_that_knows_no_campaign_is_said(cache: Path) -> None:
    made = invoke("status")
    assert made.exit_code == 2 and "knows no campaign" in made.stderr
    assert invoke("plan").exit_code == 2 and invoke("plan", "digits-9to0").exit_code == 3
