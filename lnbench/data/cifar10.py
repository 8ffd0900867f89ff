"""CIFAR-10: 50,000 + 10,000 photographs, 32×32 in colour, in torchvision's layout `cifar-10-batches-py`.

Each split trains on a fresh random part of the 50,000, in random order; the test set is always the 10,000.
Source: Krizhevsky, "Learning multiple layers of features from tiny images", 2009. torchvision reads the files, and only
after their MD5 sums are those it knows: they are pickles.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from lnbench.data import Split, _files
from lnbench.errors import DataError, ProtocolError
from lnbench.protocol.seeds import Streams
from lnbench.protocol.track import DataSpec

FIXED_TEST_SET = True
FOLDER = "cifar-10-batches-py"


def load(spec: DataSpec, split: int, streams: Streams) -> Split:
    """Split `split`: the first `spec.train` of a random permutation of the 50,000; the 10,000 are its test points.

    Raises:
        ProtocolError: if the track asks for more points than there are, or for some classes only.
        DataError: if a file is missing, truncated or altered.
    """
    if spec.only is not None:
        raise ProtocolError("data: only: CIFAR-10 keeps all of its classes.")
    images, labels, test_inputs, test_labels = _base(_files.fetch(FOLDER, _download))
    if spec.train > len(labels):
        raise ProtocolError(
            f"data: train: CIFAR-10 has {len(labels)} training points, the track asks for {spec.train}."
        )
    index = streams.permutation(len(labels), "split", split)[: spec.train]
    return Split(_unit(images[index]), labels[index], test_inputs, test_labels, index)


def found(spec: DataSpec | None = None) -> Path | None:
    """The folder CIFAR-10 would be read from, or None if it would have to be downloaded."""
    return _files.find(FOLDER)


def _unit(images: np.ndarray) -> np.ndarray:
    """Bytes (n, 32, 32, 3) to float32 (n, 3, 32, 32) in [0, 1]."""
    values = np.ascontiguousarray(np.moveaxis(images, -1, 1)).astype(np.float32)
    values /= 255
    return values


@functools.lru_cache(maxsize=1)
def _base(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Training images (n, 32, 32, 3) uint8 and labels (n,) int64, test inputs float32 and labels."""
    from torchvision.datasets import CIFAR10

    try:
        train, test = (CIFAR10(str(folder.parent), train=part, download=False) for part in (True, False))
    except (RuntimeError, OSError, EOFError) as error:
        raise DataError(
            f"{folder}: it is not the whole CIFAR-10 ({str(error).splitlines()[0]}); delete the folder and run again "
            f"to download it, or {_files.HELP.format(FOLDER)}."
        ) from None
    return train.data, np.array(train.targets, np.int64), _unit(test.data), np.array(test.targets, np.int64)


def _download(root: Path) -> None:
    """Let torchvision download its `cifar-10-batches-py` into a folder and check its own checksums."""
    from torchvision.datasets import CIFAR10

    CIFAR10(str(root), download=True)
