"""CIFAR-10: 50,000 + 10,000 photographs, 32×32 in colour, in torchvision's layout `cifar-10-batches-py`.

Each split trains on a fresh random part of the 50,000, in random order; the test set is always the 10,000.
Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009. The files are pickles. They are read
here, one after the other, so that a split takes little more memory than its inputs; only after their MD5 sums are those
of the originals, which is all that is published of them, and by an unpickler that makes nothing but an array.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from lnbench.data import Split, downloads, lookalikes
from lnbench.errors import DataError, ProtocolError
from lnbench.protocol.data_spec import DataSpec
from lnbench.protocol.seeds import Streams

FIXED_TEST_SET = True
FOLDER = "cifar-10-batches-py"
SHAPE = (3, 32, 32)
BATCH = 10_000
"""Images of one file."""
_TRAIN = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
}
"""File -> MD5, in the order of the base data."""
_TEST = {"test_batch": "40351d587109b95175f43aff81a1287e"}
_ARCHIVE = "cifar-10-python.tar.gz"
_PIECE = 1_000


def load(spec: DataSpec, split: int, streams: Streams) -> Split:
    """Split `split`: the first `spec.train` of a random permutation of the 50,000; the 10,000 are its test points.

    Raises:
        ProtocolError: if the track asks for more points than there are, or for some classes only.
        DataError: if a file is missing, truncated or altered.
    """
    return _load(spec, split, streams, "float32")


def load_bytes(spec: DataSpec, split: int, streams: Streams) -> Split:
    """`load` with inputs as they are stored, (n, 3, 32, 32) uint8: a quarter of the memory."""
    return _load(spec, split, streams, "uint8")


def _load(spec: DataSpec, split: int, streams: Streams, kind: str) -> Split:
    if spec.only is not None:
        raise ProtocolError("data: only: CIFAR-10 keeps all of its classes.")
    most = len(_TRAIN) * BATCH
    if spec.train > most:
        raise ProtocolError(f"data: train: CIFAR-10 has {most} training points, the track asks for {spec.train}.")
    index = streams.permutation(most, "split", split)[: spec.train]

    def read(folder: Path) -> Split:
        return Split(*_read(folder, _TRAIN, index, kind), *_test_set(folder, kind), index)

    return downloads.read(FOLDER, read, _REMOTE, sample="data_batch_1", archive=_ARCHIVE)


def local_folder(spec: DataSpec | None = None) -> Path | None:
    """The folder CIFAR-10 would be read from, or None if it would have to be downloaded."""
    return downloads.find(FOLDER)


@functools.lru_cache(maxsize=1)
def _test_set(folder: Path, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and labels of the test points; one array for all splits."""
    return _read(folder, _TEST, np.arange(BATCH), kind)


def _read(folder: Path, files: dict[str, str], index: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """The points at `index` (n,) of some files: inputs (n, 3, 32, 32) and labels (n,) int64.

    Args:
        kind: of the inputs: "float32", in [0, 1], or "uint8", as they are stored.
    """
    inputs, labels = np.empty((len(index), *SHAPE), kind), np.empty(len(index), np.int64)
    for number, (name, pinned) in enumerate(files.items()):
        pixels, classes = _batch(folder / name, pinned)
        here = np.flatnonzero(index // BATCH == number)
        for start in range(0, len(here), _PIECE):
            rows = here[start : start + _PIECE]
            values = pixels[index[rows] % BATCH]
            if kind == "float32":
                values = values.astype(np.float32)
                values /= 255
            inputs[rows], labels[rows] = values, classes[index[rows] % BATCH]
        del pixels  # before the next file is read
    return inputs, labels


def _batch(path: Path, pinned: str) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (10,000, 3, 32, 32) uint8 and labels (10,000,) int64 of one file."""
    remedy = downloads.replace(path.parent, FOLDER)
    try:
        if not path.is_file():
            advice = (
                lookalikes.advice(path, path.parents[1], _ARCHIVE) or f"{lookalikes.contents(path.parent)}; {remedy}"
            )
            raise DataError(f"{path}: there is no such file; {advice}.")
        with path.open("rb") as file:
            came = hashlib.file_digest(file, functools.partial(hashlib.md5, usedforsecurity=False)).hexdigest()
            if came != pinned:
                raise DataError(
                    f"{path}: expected content of MD5 {pinned}, got {came}: it is not CIFAR-10's; {remedy}."
                )
            file.seek(0)
            batch = _Unpickler(file, encoding="bytes").load()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {remedy}.") from None
    return batch[b"data"].pixels, np.array(batch[b"labels"], np.int64)


class _Array:
    """What a pickle makes of an array: its bytes, where NumPy would copy them."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.pixels = np.frombuffer(state[-1], np.uint8).reshape(BATCH, *SHAPE)


class _Unpickler(pickle.Unpickler):
    """Knows the three names that an array in a pickle of Python 2 needs, and no other."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy.core.multiarray", "_reconstruct"):
            return lambda kind, shape, code: _Array()
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        raise pickle.UnpicklingError(f"{module}.{name} is not a part of an array")


def _download(root: Path) -> None:
    """Let torchvision download its `cifar-10-batches-py` into a folder and check its own checksums."""
    from torchvision.datasets import CIFAR10

    CIFAR10(str(root), download=True)


_REMOTE = downloads.Remote("https://www.cs.toronto.edu", _download)
