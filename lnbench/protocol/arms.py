"""The arms: what the victims of an evaluation are trained on, by name and in the record's order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lnbench.protocol.flips import Flip, random_flips
from lnbench.protocol.seeds import Streams
from lnbench.protocol.track import Track

CLEAN, RANDOM, POISONED = "clean", "random", "poisoned"
MATCHED = "matched"
"""The second baseline, on tracks with several pairs; see `lnbench.protocol.allocation`."""
ARMS = (CLEAN, RANDOM, POISONED)
"""The arms of every track."""


def arms_of(track: Track) -> tuple[str, ...]:
    """The arms that a track's victims are trained in, in the record's order."""
    return (*ARMS, MATCHED) if len(track.noise.pairs) > 1 and not track.noise.rotate else ARMS


def draws_of(track: Track) -> tuple[tuple[str, int | None], ...]:
    """(arm, draw) of each victim of a split and seed, in the record's order.

    An arm has one draw of flips, which has no number, but for the random arm of tracks that ask for several.
    """
    draws: dict[str, Sequence[int | None]] = {RANDOM: range(track.replication.random_draws)}
    single: Sequence[int | None] = (None,)
    return tuple(
        (arm, draw)
        for arm in arms_of(track)
        for draw in (draws.get(arm, single) if track.replication.random_draws > 1 else single)
    )


def random_draw(labels: np.ndarray, track: Track, streams: Streams, split: int, seed: int, draw: int = 0) -> list[Flip]:
    """One draw of the random arm: as many random flips as the track's budget, along the split's pairs.

    Args:
        labels: (n,) true labels of the split.
    """
    stage = RANDOM if draw == 0 else f"{RANDOM}/{draw}"
    return random_flips(labels, track.pairs(split), track.noise.budget, streams.generator(stage, split, seed))
