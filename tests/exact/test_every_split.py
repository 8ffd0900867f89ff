"""Every split of digits-exact, by other means: search as a lower bound, whole programmes, and all sets of flips."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from lnbench import data
from lnbench.exact.best import optimum
from lnbench.exact.coverage import Coverage, coverage
from lnbench.protocol import Streams
from lnbench.protocol import track as tracks
from lnbench.record import optimum as committed

TRACK = tracks.load("digits-exact")
EPSILON = TRACK.adversary.epsilon


@pytest.mark.slow
@pytest.mark.parametrize("split", range(TRACK.replication.splits))
def test_search_whole_programmes_and_brute_force_agree(split: int) -> None:
    """Search breaks nothing that is denied and most of what is granted; the doubtful pairs are asked again with every
    face at once; the best one to four flips are those of all sets; and all is what the committed file says."""
    points = data.load(TRACK, split, Streams(TRACK.sha256))
    x = points.test_inputs[points.test_labels == 9].reshape(-1, 64).astype(float)
    train = points.inputs.reshape(-1, 64).astype(float)
    nines, zeros = np.flatnonzero(points.labels == 9), np.flatnonzero(points.labels == 0)
    cover = coverage(train, points.labels, x, source=9, target=0, norm="linf", epsilon=EPSILON)

    found = _searched(train, x, np.r_[nines, zeros])
    base, reach = found[:, len(nines) :].any(1), found[:, : len(nines)]
    assert not (base & ~cover.base).any()
    left = ~cover.base
    assert not (reach & ~cover.reach)[left].any()
    assert reach[left].sum() > 0.7 * cover.reach[left].sum() > 0  # of ties within rounding search may have either

    rng = np.random.default_rng(split)
    doubtful = np.argwhere(left[:, None] & cover.reach & ~reach)
    denied = np.argwhere(left[:, None] & ~cover.reach & _near(train, x, nines, cover))
    some = [pairs[rng.permutation(len(pairs))[:6]] for pairs in (doubtful, denied)]
    for row, place in np.concatenate(some):
        assert _whole_programme(train, x[row], nines[place]) == cover.reach[row, place], (row, place)

    for budget, broken in enumerate(_most_broken(cover), 1):
        assert round((1 - cover.accuracy(optimum(cover, budget))) * len(x)) == broken, budget

    file = committed.of_track(TRACK)
    assert file is not None
    stored = file.splits[split]
    flags = stored.flags()
    assert (flags[0] == cover.base).all() and (flags[1] == cover.reach & left[:, None]).all()
    assert stored.best_accuracy == pytest.approx(cover.accuracy(optimum(cover, 4)), abs=1e-9)


def _searched(train: np.ndarray, x: np.ndarray, cells: np.ndarray, steps: int = 40) -> np.ndarray:
    """Which cells projected sign steps land in, each towards one cell's point and away from the nearest other point,
    (x, cell): a lower bound of what an adversary reaches."""
    squares = (train**2).sum(1)
    hit = np.zeros((len(x), len(cells)), dtype=bool)
    for row, one in enumerate(x):
        low, high = np.maximum(one - EPSILON, 0), np.minimum(one + EPSILON, 1)
        here = np.clip(one + np.clip(train[cells] - one, -EPSILON, EPSILON), low, high)
        goal = np.arange(len(cells))
        for step in range(steps):
            apart = squares - 2 * here @ train.T
            own = apart[np.arange(len(goal)), cells[goal]]
            landed = own <= apart.min(1)
            hit[row, goal[landed]] = True
            here, goal, apart = here[~landed], goal[~landed], apart[~landed]
            if not len(goal):
                break
            rival = apart.argmin(1)
            size = EPSILON * (0.5 if step < steps // 2 else 0.1)
            here = np.clip(here + size * _direction(train[cells[goal]] - train[rival]), low, high)
    return hit


def _direction(gradient: np.ndarray) -> np.ndarray:
    """Each row over its largest entry, so that steps shrink where it is small: sign steps alone circle at a corner."""
    largest: np.ndarray = np.abs(gradient).max(1, keepdims=True)
    return gradient / np.maximum(largest, 1e-12)


def _near(train: np.ndarray, x: np.ndarray, nines: np.ndarray, cover: Coverage) -> np.ndarray:
    """The pairs that a single face does not rule out, (x, nine)."""
    from lnbench.exact.nearest import Cells

    bounds: np.ndarray = Cells(train, "linf").lower_bounds(x, nines)
    return bounds <= EPSILON


def _whole_programme(train: np.ndarray, x: np.ndarray, i: int) -> bool:
    """Whether the ball around x, cut by the box, meets cell i: every face at once."""
    squares = (train**2).sum(1)
    faces, offsets = 2 * (train - train[i]), squares - squares[i]
    box = np.c_[np.maximum(x - EPSILON, 0), np.minimum(x + EPSILON, 1)]
    made = linprog(np.zeros(len(x)), A_ub=faces, b_ub=offsets, bounds=box, method="highs")
    assert made.status in (0, 2), made.message
    return bool(made.status == 0)


def _most_broken(cover: Coverage) -> list[int]:
    """The most test points that any one, two, three and four flips break, by trying all sets."""
    reach = (cover.reach & ~cover.base[:, None]).T.astype(np.float32)
    m, always = len(reach), int(cover.base.sum())
    most = [float(reach.sum(1).max())]
    for size in (1, 2, 3):
        best = 0.0
        sets = itertools.combinations(range(m), size)
        while chunk := list(itertools.islice(sets, 20000)):
            covered = np.maximum.reduce([reach[list(column)] for column in zip(*chunk, strict=True)])
            best = max(best, float((covered.sum(1)[:, None] + (1 - covered) @ reach.T).max()))
        most.append(best)
    return [always + round(value) for value in most]
