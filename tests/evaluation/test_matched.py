"""Tracks with several pairs: each source example has its own target, and a second baseline shares the allocation."""

from __future__ import annotations

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factories
import tiny
from lnbench.board import load
from lnbench.cli import cli
from lnbench.errors import RecordError
from lnbench.evaluation import cells
from lnbench.evaluation.conductor import evaluate
from lnbench.evaluation.store import Store
from lnbench.poison.run import Submission
from lnbench.protocol import Track, allocation
from lnbench.record.consistency import checks
from lnbench.record.record import Record, read, write
from lnbench.trust import verify

NOISE = {"budget": 4, "eta": 0.00446, "pairs": [[9, 0], [3, 5]]}
LOPSIDED = b'''
import lnbench

class Lopsided(lnbench.Poisoner):
    """Put three of four flips on the first pair."""

    def poison(self, problem):
        nines, threes = ((problem.labels == c).nonzero()[0] for c in (9, 3))
        return problem.flipped([*nines[:3], *threes[:1]])
'''


@pytest.fixture(scope="module")
def track() -> Track:
    return Track.from_document(tiny.document() | {"name": "two-pairs", "noise": NOISE})


@pytest.fixture(scope="module")
def made(track: Track, tmp_path_factory: pytest.TempPathFactory, no_workers_in_this_file: None) -> Record:
    """A real run on it."""
    return evaluate(
        Submission.from_bytes("lopsided.py", LOPSIDED, {}), track, store=Store(tmp_path_factory.mktemp("s")), workers=1
    )


def test_a_run_trains_four_arms_and_follows_from_itself(made: Record, track: Track, tmp_path: Path) -> None:
    document = made.document
    assert set(made.arms) == {"clean", "random", "poisoned", "matched"}
    assert len(document["victims"]) == 4 * 2 * 2
    for split, poisoned in enumerate(document["flips"]["poisoned"]):
        assert allocation(poisoned) == {(9, 0): 3, (3, 5): 1}
        for flips in document["flips"]["matched"][split]:
            assert allocation(flips) == allocation(poisoned)
            assert flips != poisoned
    points = {v["clean"]["source_points"] for v in document["victims"]}
    assert min(points) > 150, "the test points of both source classes are pooled"
    assert [c.name for c in checks(made) if c.passed is False] == []
    write(made, tmp_path / "made.json")
    assert read(tmp_path / "made.json").document == document
    assert verify.verify(tmp_path / "made.json").passed


def test_the_second_score_is_the_drop_below_the_matched_arm(made: Record) -> None:
    found = made.score["matched"]
    drop = 100 * (made.arms["matched"]["adv_acc"] - made.arms["poisoned"]["adv_acc"])
    assert found["drop_pp"] == pytest.approx(drop, abs=1e-6)
    assert found["drop_pp"] != made.score["drop_pp"]
    assert found["ci95_pp"][0] < drop < found["ci95_pp"][1]


def _reallocated(document: dict[str, Any]) -> None:
    flips = document["flips"]["matched"][0][0]
    at = next(i for i, flip in enumerate(flips) if flip[1] == 9)
    flips[at] = [flips[at][0], 3, 5]


def _redrawn(document: dict[str, Any]) -> None:
    flips = document["flips"]["matched"]
    flips[0], flips[1] = flips[1], flips[0]


def _without(document: dict[str, Any]) -> None:
    del document["flips"]["matched"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_reallocated, "the matched flips of split 0, seed 0 are not allocated as the poisoner's."),
        (_redrawn, "the matched flips of split 0, seed 0 are not the ones its stream draws."),
        (_without, "belong to splits with several pairs"),
    ],
)
def test_forged_matched_flips_are_found(made: Record, tmp_path: Path, change, sentence: str) -> None:  # type: ignore[no-untyped-def]
    document = copy.deepcopy(dict(made.document))
    change(document)
    write(factories.rehashed(document), tmp_path / "forged.json")
    found = verify.verify(tmp_path / "forged.json")
    assert not found.passed
    assert any(sentence in check.sentence for check in found.checks if check.passed is False)


def test_an_arm_left_out_is_refused(made: Record) -> None:
    document = copy.deepcopy(dict(made.document))
    document["victims"] = [v for v in document["victims"] if v["arm"] != "matched"]
    with pytest.raises(RecordError, match="has 12 victims where the track asks for 16"):
        _ = factories.rehashed(document).tables


def test_one_pair_has_no_second_baseline() -> None:
    record = factories.make()
    assert all("matched" not in part for part in (record.document["score"], record.arms, record.document["flips"]))


def test_the_board_and_the_report_show_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    from lnbench.board import build

    several = factories.track(noise=NOISE, replication=dict(factories.small().document["replication"]))
    factories.ship(monkeypatch, tmp_path / "tracks", several)
    record = factories.make(several, effect=0.3)
    folder = tmp_path / "repository" / "leaderboard"
    path = folder / "records" / several.name / record.filename
    write(record, path)
    build(folder / "records", folder)
    assert load(folder / "records").tables[0].rows[0].record.score["matched"]["drop_pp"] > 5
    assert "below random flips of the same allocation to the pairs" in (folder / "index.html").read_text()
    row = json.loads((folder / "board.json").read_text())["tables"][0]["rows"][0]
    assert row["score"]["matched"] == record.document["score"]["matched"]
    shown = CliRunner().invoke(cli, ["show", str(path)])
    assert "Below random flips allocated to the pairs as its own: +" in shown.stdout
    assert any(line.split()[:1] == ["matched"] for line in shown.stdout.splitlines())


def test_a_pairs_factor_scales_its_own_examples_radii_alone(track: Track) -> None:
    cell = {"track": track.document, "salt": "public", "victim": "mlp", "places": [[0, 0], [1, 0]], "flips": [[], []]}
    plain = cells.trained({**cell, "device": "cpu"})

    def broken(**adversary: object) -> np.ndarray:
        keys = copy.deepcopy(dict(track.document))
        keys["adversary"] |= adversary
        made = dataclasses.replace(plain, track=Track.from_document(keys))
        return cells.attack(made, True).broken.numpy()

    scaled, whole = broken(pair_factors=[1.0, 0.5]), broken()
    half = broken(epsilon=0.05, epsilons=[0.025, 0.05])
    threes = plain.examples[2].numpy() == 3
    for victim in range(2):
        assert (scaled[victim][:, ~threes[victim]] == whole[victim][:, ~threes[victim]]).all()
        assert (scaled[victim][:, threes[victim]] == half[victim][:, threes[victim]]).all()
    assert (scaled != whole).any()
