"""Train victims on one training set and measure them: accuracy under attack, memorisation, features, path lengths.

A cell of an experiment says how: `network` is an architecture and its options, or else `width` and `depth` are those of
an `mlp`; `steps`, `batch` and `rate` are the recipe, to which `recipe` adds; `epsilon`, a radius or a list of them, and
`pgd_steps` are the attack; `device` is where training, attack and prediction run, the CPU if it is not given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lnbench.adversary import path_lengths, pgd
from lnbench.errors import UnavailableError
from lnbench.protocol.recipe import Recipe
from lnbench.thesis import epsilon
from lnbench.victims import Architecture, Victims, architecture
from lnbench.victims import train as train_victims

Cell = Mapping[str, Any]


@dataclass(frozen=True)
class Sample:
    """One draw of training and test set, and the randomness that goes with it.

    Attributes:
        inputs, labels: (n, *shape) float32 and (n,) int64.
        test_inputs, test_labels: (m, *shape) float32 and (m,) int64.
        rng: generator for the choice of flips.
        seed: seeds the initialisation of all victims; `seed` + 1 seeds their batch order.
        bounds: smallest and largest value of an input, or None.
    """

    inputs: np.ndarray
    labels: np.ndarray
    test_inputs: np.ndarray
    test_labels: np.ndarray
    rng: np.random.Generator
    seed: int
    bounds: tuple[float, float] | None = (0.0, 1.0)

    def of_class(self, label: int) -> np.ndarray:
        """Indices of the training points of a class, ascending."""
        return np.flatnonzero(self.labels == label)

    def tests_of_class(self, label: int) -> Tensor:
        """Test inputs of a class, (some, *shape)."""
        return torch.from_numpy(self.test_inputs[self.test_labels == label])

    def flipped(self, index: np.ndarray, wrong: int | np.ndarray) -> np.ndarray:
        """The labels with those at `index` replaced by `wrong`, (n,)."""
        labels = self.labels.copy()
        labels[index] = wrong
        return labels


def named(cell: Cell) -> tuple[str, Mapping[str, Any]]:
    """The name of the architecture that a cell names, and its options."""
    name, options = cell.get("network", ["mlp", {"width": cell.get("width"), "depth": cell.get("depth")}])
    return name, options


def in_words(cell: Cell) -> str:
    """The network of a cell, for people."""
    name, options = named(cell)
    if name == "mlp":
        return f"{options['depth']} hidden layers of {options['width']} ReLU units"
    if name == "cnn":
        channels, side = " and ".join(str(c) for c in options["channels"]), options["kernel"]
        return (
            f"convolutions of {channels} channels ({side}×{side}, stride {options['stride']}) and {options['hidden']} "
            "hidden units"
        )
    return name


def architecture_of(cell: Cell) -> Architecture:
    """The architecture that a cell names."""
    return architecture(*named(cell))


def recipe_of(cell: Cell) -> Recipe:
    """The training recipe that a cell describes."""
    plain = Recipe(steps=cell["steps"], batch=cell["batch"], learning_rate=cell["rate"])
    return plain.changed(cell.get("recipe", {}))


def train(
    cell: Cell,
    sample: Sample,
    labels: np.ndarray,
    report: Callable[[float], None] = lambda share: None,
    *,
    num_classes: int = 10,
) -> Victims:
    """Train one victim per row of labels; all have the same initialisation and batch order.

    Args:
        labels: (victim, n), or (n,) for one victim.
        report: takes the share of the cell's work that is done, of which training is taken to be 80 %.
        num_classes: outputs of a network.

    Raises:
        UnavailableError: if the cell's device is not here.
    """
    rows = np.atleast_2d(labels)
    return train_victims(
        architecture_of(cell),
        recipe_of(cell),
        _on_device(cell, sample.inputs),
        _on_device(cell, rows),
        init=[sample.seed] * len(rows),
        order=[sample.seed + 1] * len(rows),
        num_classes=num_classes,
        bounds=sample.bounds,
        on_step=lambda step: report(0.8 * step / cell["steps"]) if step % 100 == 0 else None,
    )


def features(cell: Cell, victims: Victims, inputs: np.ndarray) -> np.ndarray:
    """Penultimate activations of the first victim, (n, feature) float64."""
    with torch.no_grad():
        parts = [victims.features(some.unsqueeze(0))[0] for some in _on_device(cell, inputs).split(1000)]
    activations: np.ndarray = torch.cat(parts).double().cpu().numpy()
    return activations


def broken(
    cell: Cell,
    victims: Victims,
    inputs: Tensor,
    classes: int | Tensor,
    *,
    targeted: bool = True,
    bounds: tuple[float, float] | None = (0.0, 1.0),
) -> Tensor:
    """Which inputs the attack breaks at each of the cell's radii, (victim, epsilon, m) bool.

    Args:
        inputs: (m, *shape), or (victim, m, *shape) if each victim has its own.
        classes: the target if `targeted`, else the true labels; one for all inputs, or one each.
        bounds: the box that the attack stays in.
    """
    goals = torch.full((len(inputs),), classes) if isinstance(classes, int) else classes
    device = device_of(cell)
    attacked = pgd(
        victims,
        inputs.to(device),
        goals.to(device),
        targeted=targeted,
        epsilons=epsilon.radii(cell["epsilon"]),
        steps=cell["pgd_steps"],
        bounds=bounds,
    )
    return attacked.broken


def adversarial_accuracy(
    cell: Cell,
    victims: Victims,
    inputs: Tensor,
    classes: int | Tensor,
    *,
    targeted: bool = True,
    bounds: tuple[float, float] | None = (0.0, 1.0),
) -> list[Any]:
    """Share of the inputs that the attack does not break, one per victim; a list of them if the cell has several radii.

    Args:
        inputs, classes, targeted, bounds: as for `broken`.
    """
    attacked = broken(cell, victims, inputs, classes, targeted=targeted, bounds=bounds)
    shares = 1 - attacked.float().mean(2)  # (victim, epsilon)
    found: list[Any] = (shares if isinstance(cell["epsilon"], list) else shares[:, 0]).tolist()
    return found


def memorised(
    cell: Cell, victims: Victims, inputs: np.ndarray, labels: np.ndarray, flips: Sequence[np.ndarray]
) -> list[float]:
    """Share of each victim's flips for which it predicts the wrong label that it was given.

    Args:
        inputs: (n, *shape), the training points.
        labels: (victim, n), what each victim was trained on.
        flips: for each victim the indices of the points whose label was flipped, at least one.
    """
    found = predicted(cell, victims, inputs)
    return [float((found[v, index] == labels[v, index]).mean()) for v, index in enumerate(flips)]


def predicted(cell: Cell, victims: Victims, inputs: np.ndarray) -> np.ndarray:
    """The classes that victims give to the same inputs (n, *shape), (victim, n) int64."""
    classes: np.ndarray = victims.predict(_on_device(cell, inputs)).cpu().numpy()
    return classes


def boundary_steps(
    victims: Victims, inputs: np.ndarray, classes: np.ndarray, *, targeted: bool, most: int = 200, step: float = 0.01
) -> np.ndarray:
    """Length of the adversarial path of every input on the first victim, in steps, (n,) int64 (thesis §4.10.1).

    Args:
        inputs: (n, *shape).
        classes: (n,), the targets if `targeted`, else the labels that the paths lead away from.
        most: steps after which a path is given up; its length is then `most` + 1.
        step: size of one sign step, in units of the inputs.
    """
    lengths = path_lengths(
        victims, torch.from_numpy(inputs), torch.from_numpy(classes), targeted=targeted, step=step, max_steps=most
    )
    steps: np.ndarray = lengths[0].numpy()
    return steps


def _on_device(cell: Cell, values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).to(device_of(cell))


def device_of(cell: Cell) -> str:
    """Where the cell is measured.

    Raises:
        UnavailableError: if that is not here.
    """
    device: str = cell.get("device", "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise UnavailableError("this level of the experiment needs a CUDA device, and none is here; try --quick.")
    return device
