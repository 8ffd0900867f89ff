"""Every split of digits-exact, by other means: search as a lower bound, whole programmes, and all sets of flips."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import linprog

from lnbench import data
from lnbench.exact.best import optimum
from lnbench.exact.coverage import Coverage, coverage
from lnbench.exact.nearest import Cells
from lnbench.protocol import Streams
from lnbench.protocol import track as tracks
from lnbench.record import optimum as committed

TRACK = tracks.load("digits-exact")
EPSILON = TRACK.adversary.epsilon


@pytest.mark.slow
@pytest.mark.parametrize("split", range(TRACK.replication.splits))
def test_search_whole_programmes_and_brute_force_agree(split: int) -> None:
    """Search breaks nothing that the committed tables deny and most of what they grant; of the pairs that leaves in
    doubt, some are asked again with every face at once; the best one to four flips are those of all sets."""
    train, labels, x = _points(split)
    nines, zeros = np.flatnonzero(labels == 9), np.flatnonzero(labels == 0)
    cover = _committed(split)
    found = _searched(train, x, np.r_[nines, zeros])
    base, reach, left = found[:, len(nines) :].any(1), found[:, : len(nines)], ~cover.base
    assert not (base & ~cover.base).any()
    assert not (reach & ~cover.reach)[left].any()
    assert reach[left].sum() > 0.7 * cover.reach[left].sum() > 0

    rng = np.random.default_rng(split)
    near = Cells(train, "linf").lower_bounds(x, nines) <= EPSILON
    doubtful = np.argwhere(left[:, None] & cover.reach & ~reach)
    denied = np.argwhere(left[:, None] & ~cover.reach & near)
    for pairs in (doubtful, denied):
        for row, place in pairs[rng.permutation(len(pairs))[:4]]:
            assert _whole_programme(train, x[row], nines[place]) == cover.reach[row, place], (row, place)

    for budget, broken in enumerate(_most_broken(cover), 1):
        assert round((1 - cover.accuracy(optimum(cover, budget))) * len(x)) == broken, budget


@pytest.mark.slow
@pytest.mark.parametrize("split", range(TRACK.replication.splits))
def test_the_committed_tables_are_those_of_this_adversary(split: int) -> None:
    train, labels, x = _points(split)
    made = coverage(train, labels, x, source=9, target=0, norm="linf", epsilon=EPSILON)
    cover = _committed(split)
    assert (made.base == cover.base).all() and (made.reach == cover.reach).all()


def _points(split: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Training inputs, their labels, and the test nines, inputs flat."""
    points = data.load(TRACK, split, Streams(TRACK.sha256))
    tests = points.test_inputs[points.test_labels == 9]
    return points.inputs.reshape(-1, 64).astype(float), points.labels, tests.reshape(-1, 64).astype(float)


def _committed(split: int) -> Coverage:
    """What the file beside the track says of a split."""
    file = committed.of_track(TRACK)
    assert file is not None
    return Coverage(*file.splits[split].flags())


def _searched(train: np.ndarray, x: np.ndarray, cells: np.ndarray, steps: int = 20) -> np.ndarray:
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
    direction: np.ndarray = gradient / np.maximum(largest, 1e-12)
    return direction


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
