"""A track with a damage radius, several draws of random flips, and a pair a split: a real run, counted again."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factories
import tiny
from lnbench.adversary import Attacked, pgd
from lnbench.data import load
from lnbench.errors import ProtocolError
from lnbench.evaluation import cells
from lnbench.evaluation.conductor import evaluate
from lnbench.evaluation.store import Store
from lnbench.poison.run import Submission, problem_of
from lnbench.protocol import Streams, Track, draws_of, random_draw, unpack
from lnbench.protocol.track import Damage
from lnbench.record.record import Record, write
from lnbench.trust import verify

pytestmark = pytest.mark.usefixtures("no_workers_in_this_file")

PAIRS = [[9, 0], [3, 8]]
NOISE = {"budget": 4, "eta": 0.00446, "pairs": PAIRS, "rotate": True}
REPLICATION = {"splits": 3, "seeds": 2, "quick_splits": 2, "quick_seeds": 1, "random_draws": 3}


def _document() -> dict[str, Any]:
    document = tiny.document() | {"name": "two-scores", "noise": NOISE, "damage": {"epsilon": 0.04}}
    document["replication"] = REPLICATION
    document["victims"][0]["recipe"]["steps"] = 150
    document["adversary"]["pair_factors"] = [1.0, 0.5]
    return document


@pytest.fixture(scope="module")
def track() -> Track:
    return Track.from_document(_document())


@pytest.fixture(scope="module")
def made(track: Track, tmp_path_factory: pytest.TempPathFactory, no_workers_in_this_file: None) -> Record:
    submission = Submission.from_bytes("first.py", tiny.POISONER.encode(), {})
    return evaluate(submission, track, store=Store(tmp_path_factory.mktemp("s")), workers=1)


def test_a_split_has_one_pair_and_all_arms_move_along_it(made: Record, track: Track) -> None:
    for split in range(3):
        (pair,) = track.pairs(split)
        assert pair == tuple(PAIRS[split % 2])
        of_split = [made.flips.poisoned[split], *made.flips.random[split]]
        assert {(old, new) for flips in of_split for _, old, new in flips} == {pair}
        points = load(track, split)
        tested = {v.clean.source_points for v in made.victims if v.split == split}
        assert tested == {int((points.test_labels == pair[0]).sum())}


def test_a_poisoner_is_told_the_pair_and_the_radius_of_its_split(track: Track) -> None:
    told = [problem_of(load(track, split), track, split, Streams(track.sha256)) for split in range(2)]
    assert [one["pairs"] for one in told] == [[[9, 0]], [[3, 8]]]
    assert [one["threat"]["epsilon"] for one in told] == [pytest.approx(0.1), pytest.approx(0.05)]
    assert told[1]["threats"]["mlp"] == told[1]["threat"]


def test_every_seed_has_its_draws_of_random_flips(made: Record, track: Track) -> None:
    assert draws_of(track) == (("clean", None), ("random", 0), ("random", 1), ("random", 2), ("poisoned", None))
    streams, labels = Streams(track.sha256), load(track, 1).labels
    drawn = [random_draw(labels, track, streams, 1, seed, draw) for seed in range(2) for draw in range(3)]
    assert [list(flips) for flips in made.flips.random[1]] == drawn
    assert len({tuple(flips) for flips in drawn}) == 6
    assert len(made.victims) == 3 * 2 * 5
    first = [v for v in made.victims if (v.split, v.seed) == (1, 0)]
    assert [(v.arm, v.draw if v.arm == "random" else None) for v in first] == list(draws_of(track))


def _broken(made: Record, goal: str, arm: str) -> np.ndarray:
    """Broken share of an arm in percent, mean over seeds and draws, by split: from the bits alone."""
    means = []
    for split in range(3):
        of_arm = [v for v in made.victims if (v.arm, v.split) == (arm, split)]
        means.append(np.mean([100 * unpack(v.bits[goal], v.clean.source_points).mean() for v in of_arm]))
    return np.array(means)


def test_both_scores_follow_from_the_bits(made: Record) -> None:
    damage, score = made.score.damage, made.score
    assert damage
    targeted = _broken(made, "targeted", "poisoned") - _broken(made, "targeted", "random")
    assert score.drop_pp == pytest.approx(targeted.mean(), abs=1e-6)
    below = {arm: _broken(made, "damage", "poisoned") - _broken(made, "damage", arm) for arm in ("random", "clean")}
    assert damage.split_drops_pp == pytest.approx(below["random"].tolist(), abs=1e-6)
    assert damage.drop_pp == pytest.approx(below["random"].mean(), abs=1e-6)
    assert damage.from_clean_pp == pytest.approx(below["clean"].mean(), abs=1e-6)
    assert made.arms["random"]["damage_adv_acc"] == pytest.approx(1 - _broken(made, "damage", "random").mean() / 100)
    assert made.split_damage_accuracies == pytest.approx(1 - _broken(made, "damage", "poisoned") / 100)
    assert score.ci95_points_pp is None, "each split has its own test points: nothing covers others"


def test_the_random_arms_own_error_is_that_of_its_draws(made: Record) -> None:
    shares = np.array(
        [
            [
                [
                    100 * v.broken.targeted[1] / v.clean.source_points
                    for v in made.victims
                    if (v.split, v.seed, v.arm) == (split, seed, "random")
                ]
                for seed in range(2)
            ]
            for split in range(3)
        ]
    )
    assert made.score.random_se_pp == pytest.approx(np.sqrt(shares.var(axis=-1, ddof=1).mean() / (3 * 2 * 3)))


def test_restarts_come_on_top_of_the_attack_from_the_input(track: Track, monkeypatch: pytest.MonkeyPatch) -> None:
    cell = {"salt": "public", "victim": "mlp", "places": [[0, 0]], "device": "cpu", "flips": [[]]}
    trained, asked = cells.trained({**cell, "track": _document()}), Damage(epsilon=0.03, restarts=5)
    runs: list[tuple[bool, int, Attacked]] = []

    def attack(*args: Any, **options: Any) -> Attacked:
        made = pgd(*args, **options)
        runs.append((options.get("random_start") is None, options.get("restarts", 1), made))
        return made

    monkeypatch.setattr(cells, "pgd", attack)
    attacked = cells.damage(dataclasses.replace(trained, track=track.replaced(damage=asked)))
    assert attacked is not None and [run[:2] for run in runs] == [(True, 1), (False, 4)]
    assert (attacked.broken == runs[0][2].broken | runs[1][2].broken).all()
    assert (attacked.zero_gradient == runs[0][2].zero_gradient).all()
    assert cells.damage(dataclasses.replace(trained, track=Track.from_document(tiny.document()))) is None


def _redrawn(document: dict[str, Any]) -> None:
    flips = document["flips"]["random"]
    flips[0][0], flips[0][1] = flips[0][1], flips[0][0]


def _other_pair(document: dict[str, Any]) -> None:
    document["flips"]["random"][0] = document["flips"]["random"][1]


def _without_damage(document: dict[str, Any]) -> None:
    del document["victims"][0]["broken"]["damage"]


def _miscounted(document: dict[str, Any]) -> None:
    document["victims"][0]["broken"]["damage"] += 1


def _too_few(document: dict[str, Any]) -> None:
    document["flips"]["random"][0].pop()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_redrawn, "the random flips of split 0, seed 0, draw 0 are not the ones its stream draws."),
        (_other_pair, "from 3 to 8, which is none of the split's pairs."),
        (_without_damage, "a count of the damage attack belongs to every victim of a track that has one"),
        (_miscounted, "damage bits set and counts"),
        (_too_few, "split 0 has 5 sets of random flips, not 6 for 2 seeds."),
    ],
)
def test_a_forged_one_is_found(
    made: Record, tmp_path: Path, change: Callable[[dict[str, Any]], None], sentence: str
) -> None:
    write(made, tmp_path / "true.json")
    assert verify.verify(tmp_path / "true.json").passed
    document = copy.deepcopy(dict(made.document))
    change(document)
    write(factories.rehashed(document), tmp_path / "forged.json")
    found = verify.verify(tmp_path / "forged.json")
    assert not found.passed
    assert any(sentence in check.sentence for check in found.checks if check.passed is False), found


def test_pairs_taken_in_turn_must_differ() -> None:
    document = _document()
    document["noise"] = NOISE | {"pairs": [[9, 0], [9, 0]]}
    with pytest.raises(ProtocolError, match="pairs that splits take in turn must differ"):
        Track.from_document(document)
