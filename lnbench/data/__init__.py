"""Data sources, one file each: every source yields the `Split`s of a track, and nothing that is not pinned."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

import numpy as np

from lnbench.protocol.seeds import Streams
from lnbench.protocol.track import Track


@dataclass(frozen=True)
class Split:
    """One draw of training set and test set.

    Attributes:
        inputs: (n, *shape) float32 in `bounds`, what the poisoner is given and the victims are trained on.
        labels: (n,) int64, the true labels.
        test_inputs: (m, *shape) float32.
        test_labels: (m,) int64.
        index: (n,) int64, each training point's place in the source's base data.
        bounds: smallest and largest value an input may take, or None.
    """

    inputs: np.ndarray
    labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    index: np.ndarray
    bounds: tuple[float, float] | None = (0.0, 1.0)


def load(track: Track, split: int, streams: Streams | None = None) -> Split:
    """Split number `split` of a track, the same on every machine.

    Args:
        streams: the track's random streams; those of the public salt if None.

    Raises:
        ProtocolError: if the track names a source that does not exist.
        DataError: if the source's data is missing, truncated or altered.
    """
    source = importlib.import_module(f"lnbench.data.{track.data.source}")
    result: Split = source.load(track.data, split, streams or Streams(track.sha256))
    return result


def here(track: Track) -> bool:
    """Whether a track's data can be read without downloading anything."""
    source = importlib.import_module(f"lnbench.data.{track.data.source}")
    return not hasattr(source, "found") or source.found(track.data) is not None


def load_bytes(track: Track, split: int, streams: Streams | None = None) -> Split | None:
    """`load` with images as uint8, 255 to 1, from a source that has them so; None from any other."""
    source = importlib.import_module(f"lnbench.data.{track.data.source}")
    if not hasattr(source, "load_bytes"):
        return None
    result: Split = source.load_bytes(track.data, split, streams or Streams(track.sha256))
    return result


def pictures(track: Track) -> bool:
    """Whether the licence of a track's data lets records carry pictures of its points."""
    source = importlib.import_module(f"lnbench.data.{track.data.source}")
    return bool(getattr(source, "PICTURES", False))


def fixed_test_set(track: Track) -> bool:
    """Whether all splits share one test set (MNIST) or each has its own (digits)."""
    source = importlib.import_module(f"lnbench.data.{track.data.source}")
    return bool(source.FIXED_TEST_SET)
