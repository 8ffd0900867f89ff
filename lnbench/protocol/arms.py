"""The arms: what the victims of an evaluation are trained on, by name and in the record's order."""

from __future__ import annotations

from lnbench.protocol.track import Track

CLEAN, RANDOM, POISONED = "clean", "random", "poisoned"
MATCHED = "matched"
"""The second baseline, on tracks with several pairs; see `lnbench.protocol.allocation`."""
ARMS = (CLEAN, RANDOM, POISONED)
"""The arms of every track."""


def arms_of(track: Track) -> tuple[str, ...]:
    """The arms that a track's victims are trained in, in the record's order."""
    return (*ARMS, MATCHED) if len(track.noise.pairs) > 1 else ARMS
