"""Decoded arrays in the cache, so that images are decoded once a machine; read back only if their digest is right."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

import numpy as np

from lnbench.data.folders import downloads
from lnbench.protocol.hashes import sha256


def digest(images: np.ndarray, labels: np.ndarray) -> str:
    """SHA-256 of uint8 images and then int64 labels, little-endian, as they lie in memory."""
    return sha256(images.tobytes() + labels.astype("<i8").tobytes())


def place(pinned: str) -> Path:
    """The folder of the cache for the arrays of this digest."""
    return downloads() / "decoded" / pinned


def read(pinned: str, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    """Images (n, *shape) uint8 and labels (n,) int64 of this digest, or None if they are not in the cache, whole."""
    folder = place(pinned)
    try:
        images, labels = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("images", "labels"))
    except (OSError, ValueError, EOFError):
        return None
    good = images.dtype == np.uint8 and labels.dtype == np.int64 and images.shape == (*labels.shape, *shape)
    return (images, labels) if good and digest(images, labels) == pinned else None


def write(pinned: str, images: np.ndarray, labels: np.ndarray) -> None:
    """Put arrays into the cache for the next process; a cache that cannot be written only costs time."""
    target = place(pinned)
    with contextlib.suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".decoded-", dir=target.parent) as scratch:
            whole = Path(scratch) / pinned
            whole.mkdir()
            np.save(whole / "images.npy", images)
            np.save(whole / "labels.npy", labels)
            shutil.rmtree(target, ignore_errors=True)  # what is there is damaged, or it would have been read
            whole.rename(target)
