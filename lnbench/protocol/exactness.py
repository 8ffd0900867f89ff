"""Tracks whose victims have an exact adversary, and what random flips do to them in expectation."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb

import numpy as np

from lnbench.errors import ProtocolError
from lnbench.protocol.track import Track

CLOSED_FORM = "nearest"
"""The architecture on which random flips need no draws: what they do is known in expectation."""
EXACT = ("linear", CLOSED_FORM, "trees")
"""Architectures that are modules of `lnbench.exact`, not of `lnbench.victims.architectures`."""


def is_exact(track: Track) -> bool:
    """Whether a track's victims have an exact adversary.

    Raises:
        ProtocolError: if only some of them do, a split has several pairs, or there is a damage attack.
    """
    kinds = {victim.architecture in EXACT for victim in track.victims}
    if kinds == {False}:
        return False
    if len(kinds) > 1:
        raise ProtocolError(f"{track.name}: victims with an exact adversary have a track of their own.")
    if len(track.noise.pairs) > 1 and not track.noise.rotate:
        raise ProtocolError(f"{track.name}: victims with an exact adversary need splits of one pair each.")
    if track.damage is not None:
        raise ProtocolError(f"{track.name}: an exact adversary has no damage attack beside it; its curve says as much.")
    return True


def expected_broken(degrees: Sequence[int] | np.ndarray, eligible: int, budget: int) -> np.ndarray:
    """The probability that an example is broken by `budget` random flips, (example,).

    1 − C(m − d, k) / C(m, k): the k flips are drawn without replacement from m points, and d of them break the example.

    Args:
        degrees: d of each example; m if it is broken without a flip.
        eligible: m.
        budget: k; more than m flips are m.
    """
    k = min(budget, eligible)
    missed = np.array([comb(eligible - d, k) / comb(eligible, k) for d in range(eligible + 1)])
    return np.asarray(1.0 - missed[np.asarray(degrees, dtype=np.int64)])
