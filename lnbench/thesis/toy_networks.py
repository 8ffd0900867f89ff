"""What the experiments on the toy Gaussians share: train on P(d, µ, 1, r) once per seed, test and attack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lnbench.adversary import path_lengths, pgd
from lnbench.protocol.recipe import Recipe
from lnbench.thesis import toys
from lnbench.victims import Architecture, Victims, architecture
from lnbench.victims import train as train_shared

CHOICES = (
    "x ~ D(d = {d}, µ, σ² = 1): {n} training and {test} test points, drawn anew for each of {seeds} seeds, with "
    "the poisons, "
    "the initialisation and the batch order.",
    "The network: {depth} hidden layers of {width} ReLU units; Adam, one-cycle, {steps} steps of {batch}, peak "
    "rate {rate}.",
    "Untargeted PGD, ℓ∞, ε = {epsilon}, {pgd_steps} sign steps of 2.5·ε/m, no box; broken if any iterate is "
    "misclassified.",
)


def cells(settings: Mapping[str, Any], **of: Any) -> dict[str, Any]:
    """One cell of these settings; `of` says which µ√d, r/(σ√d) (None: no poisons) and labels."""
    keys = "d n test seeds per_class depth width steps batch rate epsilon pgd_steps".split()
    return {key: settings[key] for key in keys} | of


def train(
    cell: Mapping[str, Any],
    report: Callable[[float], None],
    *,
    made: Architecture | None = None,
    perturb: toys.Perturb | None = None,
    stop_early: bool = False,
) -> tuple[toys.Poisoned, Victims, Victims | None]:
    """The cell's data, its victims, and (if asked for) the same victims stopped early.

    Stopped early means at the first of the checks, every 20 steps, with the highest accuracy on 300 held-out clean
    points.
    """
    seeds, d = range(cell["seeds"]), cell["d"]
    radius = None if cell["radius"] is None else cell["radius"] * d**0.5
    mu = cell["distance"] / d**0.5
    data = toys.poisoned_sets(
        seeds,
        n=cell["n"],
        test=cell["test"],
        d=d,
        mu=mu,
        radius=radius,
        per_class=cell["per_class"],
        third=cell["third"],
    )
    aside = [toys.gaussians(300, d, mu, np.random.default_rng([seed, 7])) for seed in seeds]
    held = torch.from_numpy(np.stack([x for x, _ in aside])), torch.from_numpy(np.stack([y for _, y in aside]))
    best = torch.full((len(seeds),), -1.0)
    kept: dict[str, Tensor] = {}

    def watch(step: int, victims: Victims) -> None:
        if step % 20 == 0:
            report(0.9 * step / cell["steps"])
        if not stop_early or step % 20:
            return
        score = accuracy(victims, *held)
        better = score > best
        best[better] = score[better]
        for name, value in victims.parameters.items():
            kept.setdefault(name, value.clone())[better] = value[better]

    made = made or architecture("mlp", {"width": cell["width"], "depth": cell["depth"]})
    recipe = Recipe(steps=cell["steps"], batch=cell["batch"], learning_rate=cell["rate"])
    victims = toys.train_each(
        made,
        recipe,
        data.inputs,
        data.labels,
        init=[2 * seed for seed in seeds],
        order=[2 * seed + 1 for seed in seeds],
        num_classes=3 if cell["third"] else 2,
        perturb=perturb,
        watch=watch,
    )
    return data, victims, Victims(made, kept) if stop_early else None


def measured(cell: Mapping[str, Any], data: toys.Poisoned, victims: Victims) -> dict[str, list[float]]:
    """Per seed: adversarial and natural accuracy, training accuracy, the share of the poisons that is fitted."""
    with torch.no_grad():
        right = victims(data.inputs).argmax(-1).eq(data.labels).float()
    attacked = pgd(
        victims,
        data.test_inputs,
        data.test_labels,
        targeted=False,
        epsilons=[cell["epsilon"]],
        steps=cell["pgd_steps"],
        bounds=None,
    )
    found = {
        "adversarial": 1 - attacked.broken[:, 0].float().mean(1),
        "natural": accuracy(victims, data.test_inputs, data.test_labels),
        "training": right.mean(1),
    }
    if len(data.homes):
        found["fitted"] = right[:, cell["n"] :].mean(1)
    return {name: value.tolist() for name, value in found.items()}


def accuracy(victims: Victims, inputs: Tensor, labels: Tensor) -> Tensor:
    """Accuracy of each victim on its own points, (victim,)."""
    with torch.no_grad():
        return victims(inputs).argmax(-1).eq(labels).float().mean(1)


def points(values: Any) -> np.ndarray:
    """Fractions as percentage points."""
    return 100 * np.asarray(values, dtype=float)


@dataclass(frozen=True)
class Draw:
    """One draw of D(d, µ, 1), for flips among its own points.

    Attributes:
        inputs, labels, tests, answers: (n, d), (n,), (m, d) and (m,).
        rng: the draw's generator, for flips.
        seed: seeds initialisations and batch orders.
    """

    inputs: np.ndarray
    labels: np.ndarray
    tests: np.ndarray
    answers: np.ndarray
    rng: np.random.Generator
    seed: int


def drawn(cell: Mapping[str, Any]) -> Draw:
    """The draw of `cell["split"]`."""
    seed, n = cell["split"], cell["n"]
    x, y = toys.gaussians(n + cell["test"], cell["d"], cell["distance"] / cell["d"] ** 0.5, np.random.default_rng(seed))
    return Draw(x[:n], y[:n], x[n:], y[n:], np.random.default_rng([seed, 1]), 2 * seed)


def trained(cell: Mapping[str, Any], data: Draw, labels: np.ndarray) -> Victims:
    """One network per row of labels (victim, n) on the same points, all starting alike."""
    rows = np.atleast_2d(labels)
    return train_shared(
        architecture("mlp", {"width": cell["width"], "depth": cell["depth"]}),
        Recipe(steps=cell["steps"], batch=cell["batch"], learning_rate=cell["rate"]),
        torch.from_numpy(data.inputs),
        torch.from_numpy(rows),
        init=[data.seed] * len(rows),
        order=[data.seed + 1] * len(rows),
        num_classes=2,
        bounds=None,
    )


def distances(victims: Victims, data: Draw, step: float, most: int) -> np.ndarray:
    """Steps of the unbounded untargeted attack from every training point on the first victim, (n,)."""
    found = path_lengths(
        victims,
        torch.from_numpy(data.inputs),
        torch.from_numpy(data.labels),
        targeted=False,
        step=step,
        max_steps=most,
    )
    steps: np.ndarray = found[0].numpy()
    return steps
