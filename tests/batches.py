"""Files like CIFAR-10's, for `lnbench.data.cifar10`: pickles as Python 2 wrote them, opcode by opcode."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import numpy as np

TRAIN = tuple(f"data_batch_{i}" for i in range(1, 6))
TEST = ("test_batch",)


def write(folder: Path, name: str, pixels: np.ndarray, labels: np.ndarray) -> str:
    """Write one file; its MD5.

    Args:
        pixels: (n, 3072) uint8.
        labels: (n,) 0 … 9.
    """
    content = pickled(pixels, labels)
    (folder / name).write_bytes(content)
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def pickled(pixels: np.ndarray, labels: np.ndarray) -> bytes:
    """{"data": the array, "labels": a list}, texts and bytes being one and the same in Python 2."""
    n, width = pixels.shape
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
        b"(K\x01(" + _int(n) + _int(width) + b"t"
        b"cnumpy\ndtype\n(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T" + struct.pack("<i", pixels.size) + pixels.astype(np.uint8).tobytes() + b"tb"
    )
    numbers = b"](" + b"".join(_int(int(label)) for label in labels) + b"e"
    return b"\x80\x02}(U\x04data" + array + b"U\x06labels" + numbers + b"u."


def _int(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)
