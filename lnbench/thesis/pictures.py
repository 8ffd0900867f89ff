"""What the experiments on MNIST and CIFAR-10 share: a fresh training set per split, stacks of networks, attacks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lnbench.adversary import path_lengths, pgd
from lnbench.data import Split, cifar10, mnist, parquet
from lnbench.errors import UnavailableError
from lnbench.protocol import Streams, sha256, track
from lnbench.protocol.track import DataSpec, Recipe
from lnbench.victims import Victims, architecture, train

SIZES = {"train": 1500, "test": 300, "splits": 6, "depth": 2, "width": 128, "steps": 500, "batch": 64, "rate": 0.004}
"""Settings of the quick level that most experiments on MNIST share."""
CHOICES = (
    "{train} of MNIST's 60,000 training points a split, {splits} splits, each a fresh draw; up to {test} test "
    "points of the "
    "class attacked. The interval is over splits.",
    "The network: {depth} hidden layers of {width} ReLU units (the thesis uses an unnamed convolutional "
    "network); Adam, "
    "one-cycle, {steps} steps of {batch}, peak rate {rate}.",
)
STREAMS = Streams(sha256(b"thesis"))
ATTACK = (
    "Targeted PGD, ℓ∞, ε = {epsilon}, {pgd_steps} sign steps of 2.5·ε/m in the pixels' box; broken if any iterate "
    "reaches the target."
)


@dataclass(frozen=True)
class Pictures:
    """One split.

    Attributes:
        inputs, labels: (n, channels, side, side) float32 in [0, 1], and (n,).
        tests, answers: test points, at most `test` of each class.
        rng: the split's generator, for flips.
        seed: the split's first seed for initialisations and batch orders.
    """

    inputs: np.ndarray
    labels: np.ndarray
    tests: np.ndarray
    answers: np.ndarray
    rng: np.random.Generator
    seed: int

    def of(self, label: int) -> np.ndarray:
        """Training points of a class, their indices."""
        return np.flatnonzero(self.labels == label)

    def test_of(self, label: int) -> Tensor:
        """Test inputs of a class."""
        return torch.from_numpy(self.tests[self.answers == label])

    def flipped(self, index: np.ndarray, target: int | np.ndarray) -> np.ndarray:
        """The labels with those at `index` changed."""
        labels = self.labels.copy()
        labels[index] = target
        return labels


def load(cell: Mapping[str, Any], classes: Sequence[int] = tuple(range(10))) -> Pictures:
    """The cell's split of MNIST; of these classes only, labelled by their place in the list.

    Raises:
        DataError: if MNIST is not here and cannot be had.
    """
    draws = min(60000, cell["train"] * 15 // len(classes) if len(classes) < 10 else cell["train"])
    points = mnist.load(DataSpec(source="mnist", train=draws, classes=10), cell["split"], STREAMS)
    return picked(cell, points, classes)


def load_cifar10(train: int, split: int) -> tuple[str, Split] | None:
    """Which CIFAR-10 is found here, the original before the JPEG copy of a track, and its split; None if neither is."""
    copy = track.load("cifar10jpeg-9to0").data
    if cifar10.local_folder() is not None:
        return "cifar10", cifar10.load(DataSpec(source="cifar10", train=train, classes=10), split, STREAMS)
    if parquet.local_folder(copy) is not None:
        return "cifar10jpeg", parquet.load(copy.replaced(train=train), split, STREAMS)
    return None


def picked(cell: Mapping[str, Any], points: Split, classes: Sequence[int] = tuple(range(10))) -> Pictures:
    """What a cell uses of a split: `train` points of these classes, and `test` of each."""
    keep = np.flatnonzero(np.isin(points.labels, classes))[: cell["train"]]
    shown = [np.flatnonzero(points.test_labels == c)[: cell["test"]] for c in classes]
    place = np.full(10, -1)
    place[list(classes)] = np.arange(len(classes))
    tested = np.concatenate(shown)
    return Pictures(
        points.inputs[keep],
        place[points.labels[keep]],
        points.test_inputs[tested],
        place[points.test_labels[tested]],
        STREAMS.generator("flips", cell["split"]),
        1000 * cell["split"],
    )


def cells(settings: Mapping[str, Any], **of: Any) -> list[dict[str, Any]]:
    """One cell per split, with all settings but the number of splits."""
    return [{**settings, **of, "split": split} for split in range(settings["splits"])]


def trained(
    cell: Mapping[str, Any],
    data: Pictures,
    labels: np.ndarray,
    report: Callable[[float], None] = lambda share: None,
    *,
    num_classes: int = 10,
) -> Victims:
    """One network per row of labels (victim, n), as the cell says; all networks of a split start alike.

    The cell's `network` is an architecture and its options, by default `mlp` of its `width` and `depth`; its `recipe`
    adds to `steps`, `batch` and `rate`; its `device` is where it all happens.

    Raises:
        UnavailableError: if the device is not here.
    """
    rows = np.atleast_2d(labels)
    network = cell.get("network", ["mlp", {"width": cell.get("width"), "depth": cell.get("depth")}])
    return train(
        architecture(*network),
        Recipe(steps=cell["steps"], batch=cell["batch"], learning_rate=cell["rate"], **cell.get("recipe", {})),
        _tensor(cell, data.inputs),
        _tensor(cell, rows),
        init=[data.seed] * len(rows),
        order=[data.seed + 1] * len(rows),
        num_classes=num_classes,
        on_step=lambda step: report(0.8 * step / cell["steps"]) if step % 100 == 0 else None,
    )


def features(cell: Mapping[str, Any], victims: Victims, inputs: np.ndarray) -> np.ndarray:
    """Penultimate activations of the first victim, (n, feature), a part of the inputs at a time."""
    with torch.no_grad():
        parts = [victims.features(some.unsqueeze(0))[0] for some in _tensor(cell, inputs).split(1000)]
    found: np.ndarray = torch.cat(parts).double().cpu().numpy()
    return found


def adversarial_accuracy(
    cell: Mapping[str, Any], victims: Victims, inputs: Tensor, classes: int | Tensor, *, targeted: bool = True
) -> list[float]:
    """Share of the inputs the attack does not break, per victim; `classes`: the target, or the true labels."""
    goals = torch.full((len(inputs),), classes) if isinstance(classes, int) else classes
    where = _device(cell)
    attacked = pgd(
        victims,
        inputs.to(where),
        goals.to(where),
        targeted=targeted,
        epsilons=[cell["epsilon"]],
        steps=cell["pgd_steps"],
    )
    shares: list[float] = (1 - attacked.broken[:, 0].float().mean(1)).tolist()
    return shares


def memorised(
    cell: Mapping[str, Any], victims: Victims, inputs: np.ndarray, labels: np.ndarray, flips: Sequence[np.ndarray]
) -> list[float]:
    """Share of each victim's flips (indices) that it gives their wrong label (victim, n)."""
    predicted = victims.predict(_tensor(cell, inputs)).cpu().numpy()
    return [float((predicted[v, index] == labels[v, index]).mean()) for v, index in enumerate(flips)]


def _tensor(cell: Mapping[str, Any], values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).to(_device(cell))


def _device(cell: Mapping[str, Any]) -> str:
    """Where the cell is computed."""
    device: str = cell.get("device", "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise UnavailableError("this level of the experiment needs a CUDA device, and none is here; try --quick.")
    return device


def lengths(
    victims: Victims, inputs: np.ndarray, targets: np.ndarray, *, targeted: bool, most: int = 200
) -> np.ndarray:
    """Steps of .01 of the adversarial paths on the first victim, (n,); `most` + 1 where it never arrives."""
    found = path_lengths(
        victims, torch.from_numpy(inputs), torch.from_numpy(targets), targeted=targeted, step=0.01, max_steps=most
    )
    steps: np.ndarray = found[0].numpy()
    return steps
