"""The second baseline of tracks with several pairs: random flips spread over the pairs as the poisoner spread its own.

Uniform random flips fall on every pair alike. A poisoner that puts its budget on the pairs whose class is easiest to
break beats them by that choice alone; against flips matched to its allocation only the choice of points is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from lnbench.protocol.flips import Flip


def allocation(flips: Sequence[Sequence[int]]) -> Counter[tuple[int, int]]:
    """How many flips move along each pair (old, new)."""
    return Counter((int(old), int(new)) for _, old, new in flips)


def matched_flips(labels: np.ndarray, flips: Sequence[Sequence[int]], rng: np.random.Generator) -> list[Flip]:
    """Random flips with the allocation of `flips`, uniform without replacement among each source class's points.

    Args:
        labels: (n,) true labels.
        flips: the poisoner's, [index, old, new] each.

    Returns:
        As many flips along each pair as `flips` has, by ascending index.
    """
    counts, drawn = allocation(flips), list[Flip]()
    for source in sorted({old for old, _ in counts}):
        points = np.flatnonzero(labels == source)
        order = np.argsort(rng.bit_generator.random_raw(len(points)), kind="stable")
        targets = [new for old, new in sorted(counts) if old == source for _ in range(counts[old, new])]
        drawn += [(int(i), source, new) for i, new in zip(points[order[: len(targets)]], targets, strict=True)]
    return sorted(drawn)
