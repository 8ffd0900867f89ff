"""Data sources, one file each: every source yields the `Split`s of a track, and nothing that is not pinned.

A source is a module here that has `load`. Beside them lie what sources share: where data is (`folders`), how it gets
there (`downloads`, `network`), and what a stranger's track may make this machine do (`strangers`).
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Any

import numpy as np

from lnbench.errors import ProtocolError
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


def sources() -> list[str]:
    """The names of all data sources, which a track may give as `data.source`."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if hasattr(_module(module.name), "load"))


def source(track: Track) -> Any:
    """The module of a track's data source.

    Raises:
        ProtocolError: if there is no such source.
    """
    name = track.data.source
    if name not in sources():
        raise ProtocolError(f"there is no data source {name[:40]!r}; there are: {', '.join(sources())}.")
    return _module(name)


def load(track: Track, split: int, streams: Streams | None = None) -> Split:
    """Split number `split` of a track, the same on every machine.

    Args:
        streams: the track's random streams; those of the public salt if None.

    Raises:
        ProtocolError: if the track names a source that does not exist.
        DataError: if the source's data is missing, truncated or altered.
    """
    result: Split = source(track).load(track.data, split, streams or Streams(track.root))
    return result


def here(track: Track) -> bool:
    """Whether a track's data can be read without downloading anything."""
    source = importlib.import_module(f"lnbench.data.{track.data.source}")
    return not hasattr(source, "local_folder") or source.local_folder(track.data) is not None


def load_bytes(track: Track, split: int, streams: Streams | None = None) -> Split | None:
    """`load` with images as uint8, 255 to 1, from a source that has them so; None from any other."""
    module = source(track)
    if not hasattr(module, "load_bytes"):
        return None
    result: Split = module.load_bytes(track.data, split, streams or Streams(track.root))
    return result


def pictures(track: Track) -> bool:
    """Whether the licence of a track's data lets records carry pictures of its points."""
    return bool(getattr(source(track), "PICTURES", False))


def fixed_test_set(track: Track) -> bool:
    """Whether all splits share one test set (MNIST) or each has its own (digits)."""
    return bool(source(track).FIXED_TEST_SET)


def _module(name: str) -> Any:
    return importlib.import_module(f"lnbench.data.{name}")
