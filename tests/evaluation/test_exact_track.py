"""Tracks whose adversary is exact: their records, what is refused of them, and that nothing is left to chance."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tiny
from lnbench import data
from lnbench.errors import ProtocolError, UnavailableError
from lnbench.evaluation import exact_cells
from lnbench.evaluation.code_hash import code_sha256
from lnbench.evaluation.conductor import evaluate
from lnbench.evaluation.optimum import best_flips
from lnbench.evaluation.progress import Progress
from lnbench.evaluation.store import Store
from lnbench.exact.coverage import coverage
from lnbench.poison.run import Submission
from lnbench.protocol import Streams, Track, canonical_json, eligible, pack, unpack
from lnbench.protocol import track as tracks
from lnbench.record import optimum as optima
from lnbench.record.record import Record, digest, parse
from lnbench.trust import retrain as retraining
from lnbench.trust.audit import audit
from lnbench.trust.verify import verify_record

pytestmark = pytest.mark.usefixtures("no_workers_in_this_file")


def _document(architecture: str = "nearest", **options: Any) -> dict[str, Any]:
    """Small radii, so that there are few programmes to solve."""
    document = tiny.document()
    document["data"]["train"] = 80
    document["noise"] = {"budget": 2, "eta": 0.025, "pairs": [[9, 0]]}
    document["replication"] = {"splits": 2, "seeds": 1, "quick_splits": 2, "quick_seeds": 1}
    document["adversary"] = {"epsilon": 0.01, "epsilons": [0.006, 0.01], "steps": 1}
    recipe = {"steps": 1, "batch": 80, "learning_rate": 1.0}
    document["victims"] = [{"name": "exact", "architecture": architecture, "options": options, "recipe": recipe}]
    return document


def _evaluated(document: dict[str, Any], store: Path, **options: Any) -> Record:
    submission = Submission.from_bytes("first.py", tiny.POISONER.encode(), {})
    track = Track.from_document(document)
    return evaluate(submission, track, sandbox="none", store=Store(store), **options)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module")
def record(store: Path, no_workers_in_this_file: None) -> Record:
    return _evaluated(_document(), store)


def test_the_arms_are_what_the_coverage_of_each_split_says(record: Record) -> None:
    """The random arm is the mean over every set of flips, each tried."""
    track, drops = record.track, []
    for split in range(2):
        points = data.load(track, split, Streams(track.sha256))
        tests = points.test_inputs[points.test_labels == 9]
        made = coverage(points.inputs, points.labels, tests, source=9, target=0, norm="linf", epsilon=0.01)
        m = made.reach.shape[1]
        every = [made.accuracy(list(some)) for some in itertools.combinations(range(m), 2)]
        poisoned = made.accuracy([0, 1])
        assert record.split_accuracies[split] == pytest.approx(poisoned, abs=1e-12)
        assert 0 < made.random(2) < made.accuracy([]) <= 1
        drops.append(100 * (np.mean(every) - poisoned))
    assert record.score.split_drops_pp == pytest.approx(drops, abs=1e-8)
    assert record.arms["random"].memorised == 1.0 and record.flags


def test_it_verifies_and_its_victims_come_out_the_same_without_the_tables(
    record: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retraining, "own_track", lambda *args, **options: args[0])
    assert not verify_record(record, track=record.track).failures
    again = retraining.retrain(record, 3)
    assert again.check.passed and "equal bit for bit" in again.check.sentence


def _changed(record: Record, change: Any) -> Record:
    document = record.to_dict()
    change(document)
    return Record({**document, "sha256": digest(document)}, record.track)


def test_bits_that_no_flip_can_reach_are_found_out(record: Record) -> None:
    """Both in what single flips reach and in what an arm's flips broke, with every count made to fit."""

    def reach(document: dict[str, Any]) -> None:
        victim = next(v for v in document["victims"] if "reached" in v)
        points, m = victim["clean"]["source_points"], victim["reached"]["eligible"]
        bits = ~unpack(victim["reached"]["bits"], points * m)
        victim["reached"]["bits"] = pack(bits)

    def broken(document: dict[str, Any]) -> None:
        victim = next(v for v in document["victims"] if v["arm"] == "poisoned")
        points = victim["clean"]["source_points"]
        victim["bits"]["targeted"] = pack(np.ones(points, dtype=bool))
        victim["broken"]["targeted"] = [points] * len(victim["broken"]["targeted"])

    def elsewhere(document: dict[str, Any]) -> None:
        del next(v for v in document["victims"] if "reached" in v)["reached"]

    failed = [
        {c.name for c in verify_record(_changed(record, f), track=record.track).failures} for f in (reach, broken)
    ]
    assert {"reached", "labels"} <= failed[0] and "labels" in failed[1]
    with pytest.raises(Exception, match="what single flips reach belongs"):
        _ = parse(canonical_json(_changed(record, elsewhere).document)).tables


def test_the_tables_are_made_once(record: Record, store: Path) -> None:
    seen: list[Progress] = []
    source = tiny.POISONER.replace("[: problem.budget + self.more]", "[-problem.budget :]")
    other = Submission.from_bytes("last.py", source.encode(), {})
    made = evaluate(other, record.track, sandbox="none", store=Store(store), on_progress=seen.append)
    first = next(progress for progress in seen if progress.stage == "tables")
    assert first.reused == first.total == 2
    assert made.split_accuracies.tolist() != record.split_accuracies.tolist()
    assert made.arms["random"].adv_acc == record.arms["random"].adv_acc


def test_the_best_flips_are_proven_and_read_back(record: Record, store: Path, tmp_path: Path) -> None:
    from lnbench.evaluation.engine import engine

    made = best_flips(record.track, engine("local", 1), Store(store), lambda progress: None)
    best = optima.parse(canonical_json(made), "here")
    assert best.accuracies(record.document["flips"]["poisoned"]) == pytest.approx(record.split_accuracies)
    assert (best.best <= record.split_accuracies + 1e-9).all() and (best.best < best.random[:, 2]).all()
    for change in ("best_accuracy", "random_accuracy", "base"):
        wrong = copy.deepcopy(made)
        wrong["splits"][0][change] = 0.123 if change != "base" else "AAAA"
        with pytest.raises(Exception, match="sha256"):
            optima.parse(canonical_json(wrong), "here")
        body = {k: v for k, v in wrong.items() if k != "sha256"}
        from lnbench.protocol import sha256_json

        with pytest.raises(Exception, match="split 0"):
            optima.parse(canonical_json({**body, "sha256": sha256_json(body)}), "here")


def test_linear_victims_and_trees_have_records_too(tmp_path: Path) -> None:
    for document in (_document("linear", loss="ridge", penalty=0.01), _document("trees", rounds=8, depth=2)):
        made = _evaluated(document, tmp_path)
        assert not verify_record(made, track=made.track).failures
        assert made.arms["clean"].adv_acc is not None and all(not v.reached for v in made.victims)
    with pytest.raises(ProtocolError, match=r"the architecture trees: options.*rounds"):
        _evaluated(_document("trees", rounds=0), tmp_path)
    with pytest.raises(ProtocolError, match=r"the architecture linear: options.*penalty"):
        _evaluated(_document("linear", penalty=-1.0), tmp_path)
    with pytest.raises(ProtocolError, match="the architecture nearest"):
        _evaluated(_document("nearest", k=3), tmp_path)


def test_what_an_exact_adversary_cannot_have_is_refused(record: Record, tmp_path: Path) -> None:
    mixed = _document()
    mixed["victims"] += tiny.document()["victims"]
    several = _document()
    several["noise"]["pairs"] = [[9, 0], [8, 0]]
    damaged = {**_document(), "damage": {"epsilon": 0.01}}
    for document, words in ((mixed, "a track of their own"), (several, "one pair each"), (damaged, "no damage attack")):
        with pytest.raises(ProtocolError, match=words):
            _evaluated(document, tmp_path)
    with pytest.raises(ProtocolError, match="nothing to keep"):
        _evaluated(_document(), tmp_path, keep_victims=tmp_path / "victims")
    with pytest.raises(ProtocolError, match="no stronger one"):
        audit(record)


def test_a_solver_that_fails_ends_the_run_and_stores_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **options: Any) -> None:
        raise UnavailableError("the solver could not say")

    monkeypatch.setattr("lnbench.exact.nearest.distance", fails)
    with pytest.raises(UnavailableError, match="could not say"):
        _evaluated(_document(), tmp_path)
    assert not list((tmp_path / "tables").rglob("*.json")) and not list((tmp_path / "cells").rglob("*.json"))


def test_the_code_of_exact_victims_and_of_networks_are_apart() -> None:
    exact, networks = tracks.load("digits-exact"), tracks.load("digits-9to0")
    assert code_sha256(exact) != code_sha256(networks)
    from lnbench.evaluation.code_hash import module_sha256

    with pytest.MonkeyPatch.context() as patch:
        before = code_sha256(networks)
        patch.setattr(
            "lnbench.evaluation.code_hash.module_sha256",
            lambda name: f"{name}" if "exact" in name else module_sha256(name),
        )
        assert code_sha256(networks) == before and code_sha256(exact) != before


def test_some_columns_of_a_table_are_those_of_the_whole(record: Record) -> None:
    cell = {"track": record.track.document, "salt": "public", "split": 0, "levels": [0.006, 0.01]}
    whole, some = exact_cells.table(cell), exact_cells.table({**cell, "columns": [1, 4]})
    for every, few in zip(
        exact_cells.coverages(whole), exact_cells.coverages({**some, "columns": [1, 4]}), strict=True
    ):
        assert (every.reach[:, [1, 4]] == few.reach).all() and (every.base == few.base).all()
    labels = data.load(record.track, 0, Streams(record.track.sha256)).labels
    assert whole["eligible"] == len(eligible(labels, [(9, 0)]))
