"""Sets as unions of their flips: means over all sets, greedy choice, tables of independent flips and of others."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from lnbench.errors import DataError, ProtocolError
from lnbench.protocol import pack
from lnbench.truth import union
from lnbench.truth.build import Row
from lnbench.truth.ground_truth import GroundTruth
from lnbench.truth.union import Union

CLEAN, KEPT = np.array([0.9, 0.8, 0.0]), np.array([[0.5, 1.0, 1.0], [1.0, 0.5, 0.2], [0.9, 0.9, 0.0], [0.6, 1.0, 1.0]])
POINTS = 60


def _table(rng: np.random.Generator, *, exclusive: bool) -> GroundTruth:
    """Sets of one and two of six flips: each breaks a sixth of the points, its own, on every network; or, if they are
    not exclusive, every point with some chance."""
    rows = list[Row]()
    chance = rng.uniform(0, 1, (6, POINTS)) * np.linspace(0.2, 1, 6)[:, None]
    if exclusive:
        chance = (np.arange(POINTS) % 6 == np.arange(6)[:, None]).astype(float)
    for seed in range(200):
        for size in (0, 1, 2):
            for some in itertools.combinations(range(6), size):
                broken = np.asarray((rng.random((6, POINTS)) < chance)[list(some)].any(0))
                rows.append(Row("mlp", 0, seed, some, POINTS, int(broken.sum()), pack(broken), size))
    return GroundTruth("b", "tiny", "0" * 64, tuple(rows))


def test_the_mean_over_all_sets_is_that_of_each_and_greedy_is_no_better_than_the_best() -> None:
    one = Union(np.arange(4), CLEAN, KEPT)
    for budget in range(5):
        each = {some: one.accuracy(list(some)) for some in itertools.combinations(range(4), budget)}
        assert one.random(budget) == pytest.approx(np.mean(list(each.values())))
        chosen = tuple(sorted(one.greedy(budget)))
        assert min(each.values()) <= each[chosen] <= one.random(budget) + 1e-12
    assert one.accuracy([]) == pytest.approx(CLEAN.mean()) and one.greedy(1) == [0]


def test_independent_flips_are_their_union_and_less_than_their_sum() -> None:
    truth = _table(np.random.default_rng(0), exclusive=False)
    above, explained = union.beside(truth, "mlp", 2)
    assert above.mean == pytest.approx(0, abs=0.5) and explained > 0.95
    harm = dict(zip(truth.sets(0), 100 * truth.harms("mlp", 0).mean(1), strict=True))
    assert np.mean([harm[a, b] - harm[(a,)] - harm[(b,)] for a, b in itertools.combinations(range(6), 2)]) < -5


def test_flips_that_share_nothing_are_their_union_too() -> None:
    truth = _table(np.random.default_rng(0), exclusive=True)
    assert union.beside(truth, "mlp", 2)[0].mean == pytest.approx(0, abs=1e-9)
    made = union.promised(truth, "mlp", 3)
    assert made["budget"] == 3 and made["random"].mean == made["best"].mean == pytest.approx(50)


def test_what_is_promised_is_chosen_by_other_seeds_than_judge_it() -> None:
    """Every point is broken by a coin: the best set is as good as any other, and its luck is not counted."""
    rng, rows = np.random.default_rng(1), list[Row]()
    for split, seed, flip in itertools.product(range(8), range(4), range(-1, 40)):
        broken = rng.random(100) < (0.5 if flip >= 0 else 0.0)
        some = (flip,) if flip >= 0 else ()
        for name in ("cnn", "mlp"):
            rows.append(Row(name, split, seed, some, 100, int(broken.sum()), pack(broken), 0))
    made = union.promised(GroundTruth("a", "tiny", "0" * 64, tuple(rows)), "mlp", 1)
    assert made["best"].mean == pytest.approx(made["random"].mean, abs=2.5)
    assert made["cnn"].mean > made["best"].mean  # the same networks: their luck is in the choice


def test_bits_that_are_none_and_victims_that_are_missing_are_refused() -> None:
    truth = GroundTruth("a", "tiny", "0" * 64, (Row("mlp", 0, 0, (), 9, 1, "AA==", 0),))
    with pytest.raises(DataError, match="table a of tiny has bits that are none: 1 bytes for 9 points"):
        truth.broken("mlp", 0)
    with pytest.raises(ProtocolError, match="no victim 'cnn'"):
        truth.broken("cnn", 0)
