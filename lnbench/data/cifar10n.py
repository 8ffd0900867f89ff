"""CIFAR-10N: labels that people gave CIFAR-10's 50,000 training images, beside the true ones (Wei et al., ICLR 2022).

Images and true labels are those of the JPEG copy of the track `cifar10jpeg-9to0`, put into CIFAR-10's own order by
their names, `class/NNNN.jpg`, which count within the class. Each split trains on a fresh random part; the test set is
always the 10,000. The people's labels are read from `cifar10n/labels.npz` in a place for data. Their licence is CC
BY-NC 4.0, so they are fetched by whoever uses them, from http://www.noisylabels.com, and never shipped: with `human`
the dictionary in `CIFAR-10_human.pt` (a pickle, which runs what it says: only from the original place), this file is

    numpy.savez("labels.npz", **{name: numpy.uint8(values) for name, values in human.items()})
"""

from __future__ import annotations

import functools
import re
import zipfile
from pathlib import Path

import numpy as np

from lnbench.data import Split, downloads, parquet
from lnbench.errors import DataError, ProtocolError
from lnbench.protocol import track as tracks
from lnbench.protocol.data_spec import DataSpec, Parquet
from lnbench.protocol.flips import Flip, changed
from lnbench.protocol.hashes import sha256
from lnbench.protocol.seeds import Streams

FIXED_TEST_SET = True
TITLE, PAPER, LICENSE = "CIFAR-10N", "Wei et al., ICLR 2022", "CC-BY-NC-4.0"
FOLDER, FILE = "cifar10n", "labels.npz"
HUMAN = ("aggre", "worse")
"""Whose labels: the majority of three people's, or a wrong one of the three where there is any."""
_PINNED = {
    "clean_label": "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
    "aggre_label": "2bd5e02e39c9c79772cf4c794f7b74630ac1aaeeac4b807a63c11e9a375f8404",
    "worse_label": "11a306ed336e3bc81aaac36322ddf12de379d0df1883aa43e10ba562a98f6b2a",
}
"""SHA-256 of the arrays' bytes."""
_HOW = "`lnbench.data.cifar10n` says how to make it from the original"
_POINTS, _OF_CLASS = 50_000, 5_000
_CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def load(spec: DataSpec, split: int, streams: Streams) -> Split:
    """Split `split`: the first `spec.train` of a random permutation of the 50,000; the 10,000 are its test points.

    Raises:
        ProtocolError: if the track asks for more points than there are, or for some classes only.
        DataError: if images or labels are missing or altered.
    """
    if spec.only is not None:
        raise ProtocolError("data: only: CIFAR-10N keeps all of its classes.")
    if spec.train > _POINTS:
        raise ProtocolError(f"data: train: CIFAR-10N has {_POINTS} training points, the track asks for {spec.train}.")
    copy, order = _copy(), _order()
    index = streams.permutation(_POINTS, "split", split)[: spec.train]
    images, labels, test_inputs, test_labels = parquet.arrays(copy)
    return Split(parquet.unit(images, order[index]), labels[order[index]], test_inputs, test_labels, index)


def local_folder(spec: DataSpec | None = None) -> Path | None:
    """The folder of the people's labels, or None if images or labels are not here."""
    images = parquet.local_folder(tracks.load("cifar10jpeg-9to0").data)
    return None if images is None else downloads.find(FOLDER)


def in_cache(spec: DataSpec) -> bool:
    """Whether the decoded images are in the cache."""
    return parquet.in_cache(tracks.load("cifar10jpeg-9to0").data)


def human_flips(
    labels: np.ndarray, index: np.ndarray, pair: tuple[int, int], budget: int, streams: Streams, split: int, whose: str
) -> list[Flip]:
    """`budget` mistakes of people along a pair of classes among a split's points, drawn at random.

    Args:
        labels, index: (n,), the split's true labels and places in the base data.
        whose: a key of `HUMAN`.

    Raises:
        ProtocolError: if people made fewer such mistakes, or there are no such labels.
        DataError: if the people's labels are missing or altered.
    """
    if whose not in HUMAN:
        raise ProtocolError(f"labels: expected {' or '.join(HUMAN)}, got {whose!r}.")
    said = _said()[f"{whose}_label"][index].astype(np.int64)
    mistakes = np.flatnonzero((labels == pair[0]) & (said == pair[1]))
    if len(mistakes) < budget:
        raise ProtocolError(
            f"people took {len(mistakes)} of split {split}'s points of class {pair[0]} for class {pair[1]}, fewer than "
            f"the budget of {budget}; take the labels of `worse`, or a smaller budget."
        )
    drawn = streams.permutation(len(mistakes), "human", split)[:budget]
    made = labels.copy()
    made[mistakes[drawn]] = pair[1]
    return changed(labels, made)


def _copy() -> Parquet:
    copy = tracks.load("cifar10jpeg-9to0").data.parquet
    assert copy is not None
    return copy


@functools.lru_cache(maxsize=1)
def _order() -> np.ndarray:
    """Row of the copy that each of CIFAR-10's training images is, (50000,) int64; checked by the true labels."""
    rows = np.full((len(_CLASSES), _OF_CLASS), -1)
    for row, name in enumerate(parquet.names(_copy())):
        if match := re.fullmatch(r"([a-z]+)/(\d{4})\.jpg", name):
            rows[_CLASSES.index(match[1]), int(match[2])] = row
    clean = _said()["clean_label"].astype(np.int64)
    order = np.empty(_POINTS, np.int64)
    for label in range(len(_CLASSES)):
        order[clean == label] = rows[label]
    if order.min() < 0 or not np.array_equal(parquet.arrays(_copy())[1][order], clean):
        raise DataError(f"the images of {_copy().folder} are not named as CIFAR-10's, so that no label can be told.")
    return order


@functools.lru_cache(maxsize=1)
def _said() -> dict[str, np.ndarray]:
    """The labels by name, (50000,) uint8 each."""
    return downloads.read(FOLDER, _read, None, sample=FILE)


def _read(folder: Path) -> dict[str, np.ndarray]:
    path = folder / FILE
    try:
        with np.load(path, allow_pickle=False) as file:
            labels = {name: np.ascontiguousarray(file[name], np.uint8) for name in _PINNED}
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: it cannot be read ({str(error)[:100]}); {_HOW}.") from None
    for name, pinned in _PINNED.items():
        if (came := sha256(labels[name].tobytes())) != pinned:
            raise DataError(f"{path}: {name} has sha256 {came[:12]}…, expected {pinned[:12]}…; {_HOW}.")
    return labels
