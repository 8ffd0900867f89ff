"""Pictures of flipped points that a record carries for its readers, where the data's licence allows it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np

from lnbench.data import Split

MOST = 16
"""Pictures in a record."""
SIDE = 64
"""Pixels of the largest picture's longer side."""


def thumbnails(points: Sequence[Split], flips: Sequence[Sequence[Sequence[int]]]) -> dict[str, Any] | None:
    """The poisoner's first flips, split by split, as bytes; None if there are none, or the data is not small pictures.

    Args:
        points: one a split.
        flips: the poisoner's, per split [[index, old, new], …].

    Returns:
        `shape` [channels, height, width], and `images`: split, index, old, new, pixels (base64 of uint8, 255 the
        largest value an input may take).
    """
    shape = points[0].inputs.shape[1:]
    if len(shape) != 3 or shape[0] not in (1, 3) or max(shape) > SIDE or points[0].bounds is None:
        return None
    low, high = points[0].bounds
    chosen = [(split, *flip) for split, of_split in enumerate(flips) for flip in of_split][:MOST]
    images = []
    for split, index, old, new in chosen:
        pixels = np.rint(255 * (points[split].inputs[index] - low) / (high - low)).astype(np.uint8)
        encoded = base64.b64encode(pixels.tobytes()).decode()
        images.append({"split": split, "index": int(index), "old": int(old), "new": int(new), "pixels": encoded})
    return {"shape": [int(n) for n in shape], "images": images} if images else None
