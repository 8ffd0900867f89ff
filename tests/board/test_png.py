"""PNG files by hand: another reader sees the same pixels, and the bytes never change."""

from __future__ import annotations

import io

import numpy as np
import pytest

from lnbench.board.png import png


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 5, 7), (3, 32, 32), (3, 64, 64)])
def test_pillow_reads_the_same_pixels(shape: tuple[int, int, int]) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    found = np.asarray(Image.open(io.BytesIO(png(pixels.tobytes(), *shape))))
    expected = pixels[0] if shape[0] == 1 else np.moveaxis(pixels, 0, -1)
    assert (found == expected).all()


def test_its_bytes_are_pinned() -> None:
    import hashlib

    found = hashlib.sha256(png(bytes(range(64)), 1, 8, 8)).hexdigest()
    assert found == "b0eb4945328da0f6a155a9246905713af8277632e60ed7ee9bca9bcdf82977de"
