"""Pictures of flipped points that a record carries for its readers, where the data's licence allows it."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lnbench.data import Split

MOST = 16
"""Pictures in a record."""
SIDE = 64
"""Pixels of the largest picture's longer side."""


def thumbnails(points: Sequence[Split], flips: Sequence[Sequence[Sequence[int]]]) -> dict[str, Any] | None:
    """The poisoner's first flips, split by split, as bytes; None if there are none, or the data is no small picture.

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
    chosen = _chosen(flips)
    images = [_image(points[split], split, flip) for split, flip in chosen]
    return {"shape": [int(n) for n in shape], "images": images} if images else None


def shows(pictures: Mapping[str, Any], points: Split, split: int, flips: Sequence[Sequence[Sequence[int]]]) -> bool:
    """Whether a record's pictures show, of one split, what `thumbnails` would show of it.

    Args:
        pictures: `shape` and `images`, as `thumbnails` returns them.
        points: that split.
        flips: the poisoner's, per split.
    """
    if list(pictures["shape"]) != list(points.inputs.shape[1:]) or points.bounds is None:
        return False
    wanted = [_image(points, split, flip) for other, flip in _chosen(flips) if other == split]
    return [image for image in pictures["images"] if image["split"] == split] == wanted


def _chosen(flips: Sequence[Sequence[Sequence[int]]]) -> list[tuple[int, Sequence[int]]]:
    """(split, flip) of every picture."""
    return [(split, flip) for split, of_split in enumerate(flips) for flip in of_split][:MOST]


def _image(points: Split, split: int, flip: Sequence[int]) -> dict[str, Any]:
    index, old, new = (int(value) for value in flip)
    low, high = points.bounds or (0.0, 1.0)
    pixels = np.rint(255 * (points.inputs[index] - low) / (high - low)).astype(np.uint8)
    encoded = base64.b64encode(pixels.tobytes()).decode()
    return {"split": split, "index": index, "old": old, "new": new, "pixels": encoded}
