"""Which sets of flips a table holds."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from lnbench.errors import ProtocolError, nearest
from lnbench.protocol import Streams

SEEDS = 4
"""Victims of each set of flips and architecture."""
THINNED = 18
"""Points of the class that table c flips among."""
BUDGETS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 36, 40)
"""Sizes of the random sets of table n."""
DRAWS = 2
"""Random sets of each size on each split."""

Sets = list[tuple[int, ...]]


def sets_of(table: str, eligible: np.ndarray, streams: Streams, split: int) -> Sets:
    """The sets of flips that a table has of a split, as indices of training points; the empty set is the first.

    Args:
        table: `a`, every single flip; `b`, every one and pair; `c`, every set of one to four among `THINNED` points
            that lie evenly in the order of the class; `n`, random sets of `BUDGETS` flips.
        eligible: indices of the points that may be flipped, ascending.

    Raises:
        ProtocolError: if there is no such table, or the class is too small for it.
    """
    if table not in _TABLES:
        raise ProtocolError(f"no table is called {table!r}; {nearest(table, _TABLES)}")
    least = {"c": THINNED, "n": max(BUDGETS)}.get(table, 2)
    if len(eligible) < least:
        raise ProtocolError(
            f"table {table} takes {least} points that may be flipped; split {split} has {len(eligible)}."
        )
    return [(), *_TABLES[table](eligible, streams, split)]


def _random(eligible: np.ndarray, streams: Streams, split: int) -> Sets:
    """Random sets, each from a stream of its own."""
    drawn = []
    for budget, draw in itertools.product(BUDGETS, range(DRAWS)):
        order = streams.permutation(len(eligible), f"truth/{budget}/{draw}", split)
        drawn.append(tuple(int(i) for i in np.sort(eligible[order[:budget]])))
    return drawn


def thinned(eligible: np.ndarray) -> np.ndarray:
    """`THINNED` of the points, evenly."""
    chosen: np.ndarray = eligible[np.linspace(0, len(eligible) - 1, THINNED).round().astype(int)]
    return chosen


def _combinations(points: np.ndarray, size: int) -> Sets:
    return list(itertools.combinations([int(i) for i in points], size))


_TABLES: dict[str, Callable[[np.ndarray, Streams, int], Sets]] = {
    "a": lambda eligible, streams, split: _combinations(eligible, 1),
    "b": lambda eligible, streams, split: [some for size in (1, 2) for some in _combinations(eligible, size)],
    "c": lambda eligible, streams, split: [
        some for size in (1, 2, 3, 4) for some in _combinations(thinned(eligible), size)
    ],
    "n": _random,
}
TABLES = tuple(_TABLES)
