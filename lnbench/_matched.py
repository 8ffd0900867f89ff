"""The matched arm of tracks with several pairs: its flips, and its cells beside those of the other arms."""

from __future__ import annotations

from typing import Any

import numpy as np

from lnbench import _stages
from lnbench.protocol import MATCHED, Flip, Streams, Track, arms_of, matched_flips


def arm(
    track: Track, labels: np.ndarray, poisoned: list[Flip], streams: Streams, split: int, seeds: int
) -> list[list[Flip]]:
    """The flips of the matched arm of one split, one draw per seed."""
    return [matched_flips(labels, poisoned, streams.generator(MATCHED, split, seed)) for seed in range(seeds)]


def plan(
    track: Track, streams: Streams, device: str, splits: int, seeds: int, flips: dict[str, list[Any]]
) -> list[tuple[str, dict[str, Any]]]:
    """The cells of every arm of the track, as `_stages.plan` makes those of the usual three."""
    cells = _stages.plan(track, streams, device, splits, seeds, flips)
    if MATCHED in arms_of(track):
        cells += [
            (MATCHED, {**cell, "flips": [flips[MATCHED][split][seed] for split, seed in cell["places"]]})
            for name, cell in cells
            if name == "random"
        ]
    return cells
