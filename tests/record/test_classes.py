"""The interval over pairs for classes that are drawn: by hand, and simulated."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from lnbench.protocol import track
from lnbench.record.classes import classes_interval
from lnbench.record.score import t_interval

PAIRS = list(permutations(range(10), 2))


def _covered(source: float, target: float, correlation: float, trials: int = 2000) -> tuple[float, float]:
    """Share of trials in which the interval for drawn classes has the true mean, and in which the plain one has."""
    rng = np.random.default_rng(3)
    inside = np.zeros(2)
    for _ in range(trials):
        a, b = rng.normal(size=(2, 10))
        b = correlation * a + np.sqrt(1 - correlation**2) * b
        drops = [source * a[s] + target * b[t] + 9 * e for (s, t), e in zip(PAIRS, rng.normal(size=90), strict=True)]
        for i, made in enumerate((classes_interval(drops, PAIRS), t_interval(np.array(drops)))):
            assert made is not None and made.ends is not None
            inside[i] += made.ends[0] <= 0 <= made.ends[1]
    drawn, plain = inside / trials
    return float(drawn), float(plain)


@pytest.mark.parametrize(
    "size",
    [(0.0, 0.0, 0.0), (3.0, 3.0, 0.0), (4.0, 4.0, 0.5), (3.0, 3.0, 1.0), (4.0, 0.0, 0.0), (4.0, 4.0, -0.5)],
)
def test_it_covers_the_mean_whatever_a_class_adds_as_source_or_target(size: tuple[float, float, float]) -> None:
    drawn, plain = _covered(*size)
    assert drawn >= 0.92
    if size[2] >= 0 and any(size):
        assert plain < 0.85, "the plain interval takes the classes as given"


def test_effects_of_sources_alone_by_hand() -> None:
    effects = np.arange(4.0)
    drops = [float(effects[s]) for s, _ in permutations(range(4), 2)]
    made = classes_interval(drops, list(permutations(range(4), 2)))
    assert made is not None and made.mean == pytest.approx(effects.mean())
    alone = np.var(drops, ddof=1) / 12
    two_way = 4 / 3 * 3**2 * ((effects - 1.5) ** 2).sum() / 144 + 4 / 3 * ((effects - 1.5) ** 2).sum() / 144 - alone
    assert made.high == pytest.approx(made.mean + stats.t.ppf(0.975, 3) * np.sqrt(two_way))
    assert made.p == pytest.approx(2 * stats.t.sf(made.mean / np.sqrt(two_way), 3))


def test_rounds_of_splits_are_averaged_and_what_is_not_balanced_has_none() -> None:
    drops = list(np.random.default_rng(0).normal(size=90))
    once, twice = (
        classes_interval(drops, PAIRS),
        classes_interval([d - 1 for d in drops] + [d + 1 for d in drops], PAIRS),
    )
    assert once is not None and twice is not None and once.ends == pytest.approx(twice.ends)
    assert classes_interval([*drops, 1.0], PAIRS) is None
    assert classes_interval([None, *drops[1:]], PAIRS) is None
    assert classes_interval(drops[:-1], PAIRS[:-1]) is None
    assert classes_interval([1.0, 2.0], [(0, 1), (1, 0)]) is None
    flat = classes_interval([2.0] * 90, PAIRS)
    assert flat is not None and flat.ends == (2.0, 2.0) and flat.p == 0.0


def test_the_pairs_of_the_track_are_all_of_them() -> None:
    pairs = track.load("digits-pairs").noise.pairs
    assert classes_interval([float(s) for s, _ in pairs], pairs) is not None
