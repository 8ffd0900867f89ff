"""MNIST: 60,000 + 10,000 handwritten digits, 28×28, in torchvision's layout `MNIST/raw/*-ubyte`.

Each split trains on a fresh random part of the 60,000, in random order; the test set is always the 10,000.
Source: LeCun, Cortes & Burges 1998. The files are read here, not by torchvision, whose import takes seconds.
"""

from __future__ import annotations

import functools
import os
import stat
import struct
from pathlib import Path

import numpy as np

from lnbench.data import Split, downloads, lookalikes
from lnbench.errors import DataError, ProtocolError
from lnbench.protocol.data_spec import DataSpec
from lnbench.protocol.hashes import sha256
from lnbench.protocol.seeds import Streams

FIXED_TEST_SET = True
PICTURES = True
"""Its licence lets records show points."""
SHAPE = (1, 28, 28)
_FILES = {
    "train-images-idx3-ubyte": (
        (60000, 28, 28),
        "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757",
    ),
    "train-labels-idx1-ubyte": ((60000,), "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13"),
    "t10k-images-idx3-ubyte": ((10000, 28, 28), "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161"),
    "t10k-labels-idx1-ubyte": ((10000,), "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5"),
}
"""Name -> shape and sha256 of the array's bytes (the file without its header)."""


def load(spec: DataSpec, split: int, streams: Streams) -> Split:
    """Split `split`: the first `spec.train` of a random permutation of the 60,000; the 10,000 are its test points.

    With `spec.only` that holds for the points of those classes.

    Raises:
        ProtocolError: if the track asks for more points than there are.
        DataError: if a file is missing, truncated or altered.
    """
    base = downloads.read("MNIST", _base, _REMOTE, sample="raw/train-images-idx3-ubyte")
    images, labels, test_images, test_labels = _of_classes(base, spec.only)
    if not 1 <= spec.train <= len(labels):
        raise ProtocolError(f"data: train: MNIST has {len(labels)} training points, the track asks for {spec.train}.")
    index = streams.permutation(len(labels), "split", split)[: spec.train]
    return Split(
        _unit(images[index]), labels[index].astype(np.int64), _unit(test_images), test_labels.astype(np.int64), index
    )


def _of_classes(base: tuple[np.ndarray, ...], only: tuple[int, ...] | None) -> tuple[np.ndarray, ...]:
    """The images and labels of some classes, which become 0, 1, …"""
    if only is None:
        return base
    new = np.full(256, 255, dtype=np.uint8)
    new[list(only)] = np.arange(len(only), dtype=np.uint8)
    images, labels, test_images, test_labels = base
    train, test = np.isin(labels, only), np.isin(test_labels, only)
    return images[train], new[labels[train]], test_images[test], new[test_labels[test]]


def local_folder(spec: DataSpec | None = None) -> Path | None:
    """The folder MNIST would be read from, or None if it would have to be downloaded."""
    return downloads.find("MNIST")


def _unit(images: np.ndarray) -> np.ndarray:
    """Bytes (n, 28, 28) to float32 (n, 1, 28, 28) in [0, 1]."""
    values = images.astype(np.float32).reshape(-1, *SHAPE)
    values /= 255
    return values


@functools.lru_cache(maxsize=1)
def _base(folder: Path) -> tuple[np.ndarray, ...]:
    """The four arrays, read-only uint8; read and hashed once a process."""
    return tuple(_read(folder / "raw" / name, shape, pinned) for name, (shape, pinned) in _FILES.items())


def _read(path: Path, shape: tuple[int, ...], pinned: str) -> np.ndarray:
    """One IDX file of unsigned bytes: 4 bytes magic, 4 bytes per dimension, the array.

    Raises:
        DataError: if it is anything but the array of this shape and sha256.
    """
    remedy = downloads.replace(path.parents[1], "MNIST")
    header = struct.pack(f">{1 + len(shape)}I", 0x0800 | len(shape), *shape)
    size = len(header) + int(np.prod(shape))
    try:
        with open(path, "rb", opener=lambda name, how: os.open(name, how | os.O_NONBLOCK)) as file:  # a FIFO would hang
            status = os.fstat(file.fileno())
            came = "something that is not a file" if not stat.S_ISREG(status.st_mode) else ""
            data = b"" if came else file.read(size)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        what = "it is a folder" if isinstance(error, IsADirectoryError) else "there is no such file"
        advice = lookalikes.advice(path, path.parents[2]) or f"{lookalikes.contents(path.parent)}; {remedy}"
        raise DataError(f"{path}: {what}; {advice}.") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); {remedy}.") from None
    if came:
        raise DataError(f"{path}: expected an IDX file, got {came}; {remedy}.")
    if status.st_size >= len(header) and not data.startswith(header):
        if data.startswith(b"\x1f\x8b"):
            raise DataError(f"{path}: it is packed: rename it to {path.name}.gz and unpack it with gunzip.")
        kind = f"one that begins {data[: len(header)].hex()}"
        dimensions = " × ".join(f"{n:,}" for n in shape)
        raise DataError(f"{path}: expected an IDX file of {dimensions} bytes, got {kind}; {remedy}.")
    if status.st_size != size or len(data) != size:
        raise DataError(f"{path}: expected {size:,} bytes, got {status.st_size:,}; {remedy}.")
    array = data[len(header) :]
    came = sha256(array)
    if came != pinned:
        raise DataError(f"{path}: expected content of sha256 {pinned[:12]}…, got {came[:12]}…; {remedy}.")
    return np.frombuffer(array, np.uint8).reshape(shape)


def _download(root: Path) -> None:
    """Let torchvision download its `MNIST/raw` into a folder and check its own checksums."""
    from torchvision.datasets import MNIST

    MNIST(str(root), download=True)


_REMOTE = downloads.Remote("https://ossci-datasets.s3.amazonaws.com", _download)
