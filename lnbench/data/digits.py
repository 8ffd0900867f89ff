"""scikit-learn's 1,797 handwritten digits, 8×8, bundled with the library: no download.

Each split is a fresh stratified half for training; the other half is its test set.
Source: UCI "Optical Recognition of Handwritten Digits" (test part), Alpaydin & Kaynak 1998.
"""

from __future__ import annotations

import numpy as np

from lnbench.data import Split
from lnbench.errors import DataError, ProtocolError
from lnbench.protocol.data_spec import DataSpec
from lnbench.protocol.hashes import sha256
from lnbench.protocol.seeds import Streams

FIXED_TEST_SET = False
PICTURES = True
"""Its licence lets records show points."""
SHAPE = (1, 8, 8)
_SHA256 = "65e5b4619795efb40c1082f4c350c049e4ad552200d369b6ae99e21eef5e72c5"


def load(spec: DataSpec, split: int, streams: Streams) -> Split:
    """Split `split`: `spec.train` training points, stratified by class; all others are its test points."""
    inputs, labels = _base()
    if spec.only is not None:
        raise ProtocolError("data: only: the digits keep all of their classes.")
    if spec.train >= len(labels):
        raise ProtocolError(
            f"the digits are {len(labels)} points, some of them for testing; got data.train = {spec.train}."
        )
    order = streams.permutation(len(labels), "split", split)
    train = np.sort(_stratified(labels[order], spec.train))
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[train] = True
    index, rest = order[chosen], order[~chosen]
    return Split(inputs[index], labels[index], inputs[rest], labels[rest], index)


def _base() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    try:
        digits = load_digits()
        images, labels = digits.images.astype(np.uint8), digits.target.astype(np.int64)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"scikit-learn's bundled digits cannot be read ({error}); "
            "reinstall it: pip install --force-reinstall scikit-learn."
        ) from None
    came = sha256(images.tobytes() + labels.astype("<i8").tobytes())
    if came != _SHA256:
        raise DataError(
            f"scikit-learn's bundled digits have sha256 {came[:12]}…, expected {_SHA256[:12]}…; "
            "reinstall it: pip install --force-reinstall scikit-learn."
        )
    return (images.astype(np.float32) / 16).reshape(-1, *SHAPE), labels


def _stratified(labels: np.ndarray, n: int) -> np.ndarray:
    """Positions of n points, each class in proportion (largest remainders first), the first of each class."""
    classes, counts = np.unique(labels, return_counts=True)
    exact = counts * (n / len(labels))
    take = np.floor(exact).astype(int)
    for c in np.argsort(-(exact - take), kind="stable")[: n - take.sum()]:
        take[c] += 1
    return np.concatenate([np.flatnonzero(labels == c)[:k] for c, k in zip(classes, take, strict=True)])
