"""What single flips reach on a nearest neighbour, as a record's random arm states it, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lnbench.errors import RecordError
from lnbench.protocol import unpack
from lnbench.record.schema import Reached


def base_and_reach(reached: Reached | Mapping[str, Any], points: int, scored: int) -> tuple[np.ndarray, np.ndarray]:
    """Which examples are broken without a flip, (example,) bool, and by which single flip, (example, eligible) bool.

    Args:
        reached: with the fields of `lnbench.record.schema.Reached`.
        points: examples.
        scored: place of the score's radius on the curve.

    Raises:
        RecordError: if its bits do not decode, or are not as many as its counts say.
    """
    m, degrees = int(reached["eligible"]), np.asarray(reached["targeted"][scored])
    try:
        reach = unpack(reached["bits"], points * m).reshape(points, m)
    except ValueError as error:
        raise RecordError(f"the bits of what single flips reach are broken: {error}.") from None
    own = reach.sum(1)
    base = (degrees == m) & (own == 0)
    if len(degrees) != points or not (base | (own == degrees)).all():
        raise RecordError("what single flips reach is not counted as its bits say.")
    return base, reach


def broken_by(base: np.ndarray, reach: np.ndarray, eligible: np.ndarray, flips: Sequence[Sequence[int]]) -> np.ndarray:
    """Which examples some flips break, (example,) bool.

    Args:
        eligible: indices of the points that may be flipped, ascending.
    """
    columns = np.searchsorted(eligible, [index for index, _, _ in flips])
    return np.asarray(base | reach[:, columns].any(1))
