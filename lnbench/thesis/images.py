"""What the experiments on images share: splits of MNIST and CIFAR-10, settings, and sentences about their choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lnbench.data import Split, cifar10, mnist, parquet
from lnbench.protocol import Streams, sha256, track
from lnbench.protocol.data_spec import DataSpec
from lnbench.thesis.networks import Sample

QUICK = {"train": 1500, "test": 300, "splits": 6, "depth": 2, "width": 128, "steps": 500, "batch": 64, "rate": 0.004}
BF16 = {"precision": "bf16"}
FULL = {"train": 60000, "splits": 8, "steps": 21000, "batch": 128, "rate": 0.003, "recipe": BF16}
"""Settings that most experiments on MNIST share; those of FULL replace those of QUICK.

After 45 epochs the MLP has memorised all of 60 flips among 60,000 labels, and 95 % of 600; in a third of them, 27 % of
60. At a rate of .006, 5 % of a clean network's adversarial paths never arrived; here all do.
"""
CNN = ["cnn", {"channels": [16, 32], "kernel": 5, "stride": 2, "hidden": 128}]
FULL_CNN = {
    "train": 60000,
    "splits": 8,
    "network": CNN,
    "steps": 14000,
    "batch": 128,
    "rate": 0.004,
    "recipe": BF16,
}
"""The same with the network of the MNIST tracks, as the thesis's experiments on images use CNNs.

It memorises all of 60 flips; of 600, 12,000 such steps memorised 92 %, and 16,000 at .003 94 %. At a rate of .01 it
took 24,000 steps for 98 % of 60, and a quarter of the adversarial paths ended where all hidden units were dead, so that
the gradient was zero.
"""
FULL_CNN_MANY = {**FULL_CNN, "steps": 24000}
"""The same for 600 flips, all of which it memorises."""
QUICK_CNN = {
    **{name: value for name, value in QUICK.items() if name not in ("depth", "width")},
    "network": CNN,
    "rate": 0.005,
}
"""QUICK for claims that depend on the architecture."""

ZEROS_AND_ONES = {"steps": 1400, "rate": 0.008, "flips": 6, "buckets": 6, "epsilon": 0.1, "pgd_steps": 20, "most": 200}
ZEROS_AND_ONES_FULL = {
    **FULL_CNN,
    "train": 12665,
    "test": 1200,
    "splits": 20,
    "flips": 24,
    "steps": 6000,
    "rate": 0.005,
}
"""The same for flips between zeros and ones (figures 11 and 15), on top of QUICK.

All 24 flips were memorised by four networks of four; at twice the rate, in 5,000 steps, three of five memorised 4 to
63 % of them.
"""

NETWORK = (
    "The network has {architecture} (the thesis uses a convolutional network that it does not describe); Adam, "
    "one-cycle, {steps} steps of {batch}, peak rate {rate}{arithmetic}."
)
CHOICES = ("{sampling}", NETWORK)
CHOICES_UNTESTED = ("{sampling_untested}", NETWORK)
"""The same for experiments that look at training points only."""
TARGETED = (
    "Targeted PGD, ℓ∞, {pgd_steps} sign steps of 2.5·ε/m in the box of the pixels. A point is broken if any iterate "
    "reaches the target."
)
UNTARGETED = (
    "Untargeted PGD, ℓ∞, {pgd_steps} sign steps of 2.5·ε/m in the box of the pixels, on the test points of all "
    "classes. A point is broken if any iterate is misclassified."
)
"""Sentences for `CHOICES`."""

STREAMS = Streams(sha256(b"thesis"))
"""The random streams of every split."""

DIGITS = tuple(range(10))
_EVERY = {60000: "all 60,000 training points of MNIST", 12665: "all 12,665 zeros and ones that MNIST has to train on"}
"""What a number of training points means that leaves nothing to draw."""


def sampling(settings: Mapping[str, Any], *, tested: bool = True) -> str:
    """What the replicates of an experiment differ in, for people.

    Args:
        settings: with `train`, `test` and `splits`.
        tested: whether it attacks or classifies test points; False if it looks at training points only.
    """
    splits, train = settings["splits"], settings["train"]
    tests = f" and tests on up to {settings['test']} points of each class" if tested else ""
    if train in _EVERY:
        return (
            f"Every one of {splits} replicates trains on {_EVERY[train]}{tests}. They differ in the first "
            "weights, the order of the batches and whatever is drawn of the points, so that the interval is for this "
            "training set."
        )
    return (
        f"Every one of {splits} splits draws {train} of MNIST's 60,000 training points anew{tests}. The interval "
        "is over splits."
    )


def cells(settings: Mapping[str, Any], **extra: Any) -> list[dict[str, Any]]:
    """One cell per split, with all settings, including the number of splits, and what is `extra`."""
    return [{**settings, **extra, "split": split} for split in range(settings["splits"])]


def load_mnist(cell: Mapping[str, Any], classes: Sequence[int] = DIGITS) -> Sample:
    """The cell's split of MNIST; see `sample` for its arguments.

    Raises:
        DataError: if MNIST is not on this machine and cannot be downloaded.
    """
    draws = min(60000, cell["train"] * 15 // len(classes) if len(classes) < 10 else cell["train"])
    points = mnist.load(DataSpec(source="mnist", train=draws, classes=10), cell["split"], STREAMS)
    return sample(cell, points, classes)


def load_cifar10(train: int, split: int) -> tuple[str, Split] | None:
    """The original CIFAR-10 or, if it is not here, the JPEG copy of a track: its name and a split.

    Args:
        train: number of training points to draw.

    Returns:
        None if neither is on this machine.
    """
    copy = track.load("cifar10jpeg-9to0").data
    if cifar10.local_folder() is not None:
        return "cifar10", cifar10.load(DataSpec(source="cifar10", train=train, classes=10), split, STREAMS)
    if parquet.local_folder(copy) is not None:
        return "cifar10jpeg", parquet.load(copy.replaced(train=train), split, STREAMS)
    return None


def sample(cell: Mapping[str, Any], points: Split, classes: Sequence[int] = DIGITS) -> Sample:
    """The part of a split that a cell uses: its first `train` points of the classes and first `test` tests of each.

    Args:
        classes: which classes to take; labels become their places in this list.
    """
    chosen = np.flatnonzero(np.isin(points.labels, classes))[: cell["train"]]
    tests = np.concatenate([np.flatnonzero(points.test_labels == c)[: cell["test"]] for c in classes])
    place = np.full(10, -1)
    place[list(classes)] = np.arange(len(classes))
    return Sample(
        points.inputs[chosen],
        place[points.labels[chosen]],
        points.test_inputs[tests],
        place[points.test_labels[tests]],
        STREAMS.generator("flips", cell["split"]),
        1000 * cell["split"],
    )


def to_hex(image: np.ndarray, digits: int) -> str:
    """An image with values in [0, 1] as text, for JSON: each pixel as so many hexadecimal digits."""
    return "".join(f"{round((16**digits - 1) * float(value)):0{digits}x}" for value in image.flat)


def from_hex(code: str, digits: int) -> np.ndarray:
    """The image of `to_hex`, (28, 28), in [0, 1]."""
    values = [int(code[i : i + digits], 16) / (16**digits - 1) for i in range(0, len(code), digits)]
    return np.array(values).reshape(28, 28)
