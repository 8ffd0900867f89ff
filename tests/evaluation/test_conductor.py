"""The conductor on a track of seconds: reuse, resumption, the same bits whatever the workers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import here
import tiny
from lnbench.errors import ProtocolError, SubmissionError
from lnbench.evaluation import cells, submissions
from lnbench.evaluation.conductor import Progress, check, evaluate
from lnbench.evaluation.environment import environment
from lnbench.evaluation.store import Store
from lnbench.poison.run import Submission
from lnbench.protocol import Streams, Track, random_flips
from lnbench.protocol import track as tracks
from lnbench.record.record import Record

ROOT = Path(__file__).resolve().parents[2]
FIRST = b'''
import lnbench

class First(lnbench.Poisoner):
    """Flip the first points that may be flipped."""

    skip: int = 0

    def poison(self, problem):
        return problem.flipped(problem.eligible[self.skip :][: problem.budget])
'''
NOTHING = b'''
import lnbench

class Nothing(lnbench.Poisoner):
    """Flip nothing."""

    def poison(self, problem):
        return problem.labels
'''
RAISES_LATE = b"""
import lnbench

class RaisesLate(lnbench.Poisoner):
    def poison(self, problem):
        if problem.split == 1:
            raise RuntimeError("not this one")
        return problem.labels
"""


@pytest.fixture
def track() -> Track:
    return Track.from_document(tiny.document())


def _submission(source: bytes, name: str = "first", **parameters: object) -> Submission:
    return Submission.from_bytes(f"{name}.py", source, parameters)


def _told(submission: Submission, track: Track, store: Store, **options: object) -> tuple[Record, list[Progress]]:
    told: list[Progress] = []
    record = evaluate(submission, track, store=store, on_progress=told.append, **options)  # type: ignore[arg-type]
    return record, told


def test_the_record_is_the_same_whatever_the_workers_and_comes_from_the_store_the_second_time(
    track: Track, tmp_path: Path
) -> None:
    submission = _submission(FIRST)
    with here.no_workers():
        one, told = _told(submission, track, Store(tmp_path / "one"), workers=1)
    two, _ = _told(submission, track, Store(tmp_path / "two"), workers=2)
    again, told_again = _told(submission, track, Store(tmp_path / "one"), workers=2)
    assert one.sha256 == two.sha256 == again.sha256
    assert "non-deterministic" not in one.flags
    assert (told[0].reused, told[-1].reused, told[-1].done, told[-1].total) == (0, 0, 12, 12)
    assert [(p.reused, p.total) for p in told_again if p.stage == "poison"] == [(3, 3)]
    assert [p.reused for p in told_again if p.stage == "victims"] == [12]


@pytest.mark.usefixtures("no_workers")
def test_a_second_submission_reuses_the_clean_and_random_arms(track: Track, tmp_path: Path) -> None:
    store = Store(tmp_path)
    first, _ = _told(_submission(FIRST), track, store)
    other, told = _told(_submission(FIRST, skip=9), track, store)
    assert told[-1].reused == 8
    assert other.document["poisoner"]["parameters"] == {"skip": 9}
    assert other.document["arms"]["random"] == first.document["arms"]["random"]
    assert other.document["flips"]["poisoned"] != first.document["flips"]["poisoned"]


def test_a_second_run_tells_whether_labels_can_be_made_again(track: Track, tmp_path: Path) -> None:
    from lnbench import data
    from lnbench.evaluation.machine import resolved_sandbox
    from lnbench.evaluation.stages import poison_all

    dice = FIRST.replace(b"import lnbench", b"import random, lnbench").replace(
        b"problem.eligible[self.skip :]", b"random.SystemRandom().sample(problem.eligible.tolist(), 40)"
    )
    streams, mode = Streams(track.sha256), resolved_sandbox("auto")
    points = [data.load(track, 0, streams)]
    for source, expected in ((dice, False), (FIRST, True)):
        for run in ("first", "resumed"):
            told: list[Progress] = []
            rest = track, points, streams, mode, 2, Store(tmp_path), told.append
            (made,), same = poison_all(_submission(source), *rest, twice=True)
            assert same is expected, f"{run}: what was kept says the same"
            assert len(made.labels) == 898
            assert (told[-1].done, told[-1].total, told[-1].reused) == (2, 2, 0 if run == "first" else 2)
            assert "1 of 1 splits twice" in told[0].note


@pytest.mark.usefixtures("no_workers")
def test_flipping_nothing_gives_the_poisoned_arm_the_clean_arms_bits(track: Track, tmp_path: Path) -> None:
    record, _ = _told(_submission(NOTHING, "nothing"), track, Store(tmp_path))
    by_arm: dict[str, list[dict[str, Any]]] = {"clean": [], "random": [], "poisoned": []}
    for victim in record.document["victims"]:
        by_arm[victim["arm"]].append({k: v for k, v in victim.items() if k != "arm"})
    assert by_arm["poisoned"] == by_arm["clean"]
    assert by_arm["random"] != by_arm["clean"]


@pytest.mark.usefixtures("no_workers")
def test_a_salt_moves_splits_and_seeds_and_is_not_in_the_record(track: Track, tmp_path: Path) -> None:
    public, _ = _told(_submission(FIRST), track, Store(tmp_path))
    salted, _ = _told(_submission(FIRST), track, Store(tmp_path), salt="pepper")
    assert public.document["flips"]["random"] != salted.document["flips"]["random"]
    assert public.document["salt"] == "public"
    assert salted.document["salt"] is None
    assert "pepper" not in json.dumps(dict(salted.document))


@pytest.mark.usefixtures("no_workers")
def test_a_submission_that_fails_on_its_last_split_leaves_no_victims_behind(track: Track, tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(SubmissionError, match=r"raises_late\.py.*not this one"):
        evaluate(_submission(RAISES_LATE, "raises_late"), track, store=store, workers=1)
    assert not (tmp_path / "cells").exists()


def _command(track_file: Path, out: Path) -> list[str]:
    name = ["-m", "lnbench", "evaluate", "random_flip", "--track", str(track_file), "--out", str(out)]
    return [sys.executable, "-P", *name, "--workers", "1"]


def test_a_killed_run_resumes_with_the_same_hash_and_computes_nothing_twice(tmp_path: Path) -> None:
    keys = tiny.document()
    keys["victims"][0]["recipe"]["steps"] = 80
    track_file = tiny.write(tmp_path / "tiny.toml", keys)
    variables = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(cache: Path, out: Path) -> str:
        environ = {**variables, "LNBENCH_CACHE": str(cache)}
        subprocess.run(_command(track_file, out), env=environ, check=True, capture_output=True, timeout=400)
        (path,) = out.rglob("*.json")
        return str(json.loads(path.read_bytes())["sha256"])

    killed = tmp_path / "killed"
    process = subprocess.Popen(
        _command(track_file, tmp_path / "none"),
        env={**variables, "LNBENCH_CACHE": str(killed)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 240
    while len(list(killed.rglob("cells/*/*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    finished = {p: p.stat().st_mtime_ns for p in killed.rglob("*.json")}
    assert 2 <= sum("cells" in p.parts for p in finished) < 6
    assert not (tmp_path / "none").exists()
    with here.no_workers():
        random_flip = Submission.from_file(ROOT / "attacks" / "random_flip.py")
        whole = evaluate(random_flip, tracks.load(str(track_file)), store=Store(tmp_path / "whole"))
    assert run(killed, tmp_path / "a") == whole.sha256
    assert {p: p.stat().st_mtime_ns for p in finished} == finished


def test_check_judges_labels_without_training(track: Track) -> None:
    (found,) = check(_submission(FIRST), track)
    assert len(found.flips) == 4
    assert all(old == 9 and new == 0 for _, old, new in found.flips)
    assert found.deterministic


def test_names_and_paths_lead_to_files(tmp_path: Path) -> None:
    assert submissions.find("random_flip") == ROOT / "attacks" / "random_flip.py"
    assert submissions.find("my_poisoner") == ROOT / "submissions" / "my_poisoner.py"
    file = tmp_path / "x.py"
    file.write_bytes(FIRST)
    assert submissions.find(str(file)) == file
    with pytest.raises(ProtocolError, match=r"there is no file .*/y\.py"):
        submissions.find(str(tmp_path / "y.py"))
    with pytest.raises(ProtocolError, match="bundled attack is called 'random_filp'; there are: adversarial_path"):
        submissions.find("random_filp")


def test_a_cell_depends_on_its_labels_and_not_on_its_arm(track: Track) -> None:
    streams = Streams(track.sha256)
    from lnbench import data

    labels = data.load(track, 0, streams).labels
    flips = random_flips(labels, track.noise.pairs, 4, streams.generator("random", 0, 0))
    cell = {"track": track.document, "salt": "public", "victim": "mlp", "places": [[0, 0]], "device": "cpu"}
    shares: list[float] = []
    first = cells.run({**cell, "flips": [flips]}, shares.append)["victims"]
    again = cells.run({**cell, "flips": [flips]})["victims"]
    clean = cells.run({**cell, "flips": [[]]})["victims"]
    assert first == again != clean
    assert first[0]["flipped"] == 4
    assert clean[0]["flipped"] == 0
    assert shares == sorted(shares)
    assert 0 < shares[-1] < 1


def test_the_environment_names_what_bits_depend_on_and_no_host() -> None:
    found = environment()
    assert found == environment()
    assert {"python", "libraries", "system", "device", "precision", "cpu", "instructions"} == set(found["parts"])
    assert os.uname().nodename not in json.dumps(found)


def test_timms_version_counts_for_its_victims_alone() -> None:
    document = tiny.document()
    assert environment("cpu", Track.from_document(document)) == environment()
    victim = {**document["victims"][0], "architecture": "timm", "options": {"model": "resnet18", "stem": "cifar"}}
    found = environment("cpu", Track.from_document({**document, "victims": [victim]}))
    assert found["parts"]["libraries"] == environment()["parts"]["libraries"] | {"timm": metadata.version("timm")}
    assert found["id"] != environment()["id"]
