"""Victims on the toy Gaussians: one poisoned training set per seed, or many sets of flips of one training set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lnbench.thesis import networks, toy_data
from lnbench.thesis.separate_sets import Perturb, train_separately
from lnbench.victims import Architecture, Victims

_SIZES = {"n": 500, "test": 300, "depth": 3, "width": 64, "steps": 400, "batch": 64}
POISONED = {**_SIZES, "seeds": 20, "per_class": 2, "pgd_steps": 20}
"""Settings that experiments with `train` share."""
FLIPPED = {**_SIZES, "d": 16, "distance": 4.0, "rate": 0.01}
"""Settings that experiments with `sample` share."""

CHOICES = (
    "x ~ D(d = {d}, µ, σ² = 1): {n} training and {test} test points. They, the poisons, the initialisation and the "
    "batch order are drawn anew for each of {seeds} seeds.",
    "The network has {depth} hidden layers of {width} ReLU units; Adam, one-cycle, {steps} steps of {batch}, peak "
    "rate {rate}.",
    "Untargeted PGD, ℓ∞, ε = {epsilon}, {pgd_steps} sign steps of 2.5·ε/m, no box. A point is broken if any iterate "
    "is misclassified.",
)
"""Sentences for `CHOICES`."""


def cell(settings: Mapping[str, Any], **extra: Any) -> dict[str, Any]:
    """A cell of an experiment on poisoned toy sets.

    Args:
        extra: at least `distance`, µ√d of the means; `radius`, r/√d of the poisons, or None for no poisons; and
            `third`, whether the poisons are a class of their own.
    """
    keys = "d n test seeds per_class depth width steps batch rate epsilon pgd_steps".split()
    return {key: settings[key] for key in keys} | extra


def train(
    cell: Mapping[str, Any],
    report: Callable[[float], None],
    *,
    architecture: Architecture | None = None,
    perturb: Perturb | None = None,
    stop_early: bool = False,
) -> tuple[toy_data.PoisonedSets, Victims, Victims | None]:
    """Train one victim per seed on a poisoned toy set of its own.

    Args:
        architecture: that of the cell if None.
        perturb: as for `train_separately`.
        stop_early: return the victims as they were at their best, too: after the first multiple of 20 steps at which
            the accuracy on 300 further clean points is highest.

    Returns:
        The sets, the victims, and the victims stopped early or None.
    """
    seeds, d = range(cell["seeds"]), cell["d"]
    mu = cell["distance"] / d**0.5
    sets = toy_data.poisoned_sets(
        seeds,
        n=cell["n"],
        test=cell["test"],
        d=d,
        mu=mu,
        radius=None if cell["radius"] is None else cell["radius"] * d**0.5,
        per_class=cell["per_class"],
        third=cell["third"],
    )
    held_out = [toy_data.gaussians(300, d, mu, np.random.default_rng([seed, 7])) for seed in seeds]
    held_inputs, held_labels = (torch.from_numpy(np.stack(part)) for part in zip(*held_out, strict=True))
    best = torch.full((len(seeds),), -1.0)
    best_parameters: dict[str, Tensor] = {}

    def watch(step: int, victims: Victims) -> None:
        if step % 20 == 0:
            report(0.9 * step / cell["steps"])
        if not stop_early or step % 20:
            return
        score = accuracy(victims, held_inputs, held_labels)
        better = score > best
        best[better] = score[better]
        for name, value in victims.parameters.items():
            best_parameters.setdefault(name, value.clone())[better] = value[better]

    architecture = architecture or networks.architecture_of(cell)
    victims = train_separately(
        architecture,
        networks.recipe_of(cell),
        sets.inputs,
        sets.labels,
        init=[2 * seed for seed in seeds],
        order=[2 * seed + 1 for seed in seeds],
        num_classes=3 if cell["third"] else 2,
        perturb=perturb,
        watch=watch,
    )
    return sets, victims, Victims(architecture, best_parameters) if stop_early else None


def accuracies(cell: Mapping[str, Any], sets: toy_data.PoisonedSets, victims: Victims) -> dict[str, list[float]]:
    """One share per seed: adversarial, natural and training accuracy, and how many of the poisons are fitted.

    Returns:
        `adversarial`, `natural`, `training` and, if there are poisons, `fitted` -> (seed,).
    """
    with torch.no_grad():
        correct = victims(sets.inputs).argmax(-1).eq(sets.labels).float()
    shares = {
        "adversarial": networks.adversarial_accuracy(
            cell, victims, sets.test_inputs, sets.test_labels, targeted=False, bounds=None
        ),
        "natural": accuracy(victims, sets.test_inputs, sets.test_labels).tolist(),
        "training": correct.mean(1).tolist(),
    }
    if len(sets.near_class):
        shares["fitted"] = correct[:, cell["n"] :].mean(1).tolist()
    return shares


def accuracy(victims: Victims, inputs: Tensor, labels: Tensor) -> Tensor:
    """Accuracy of each victim on its own points, (victim,).

    Args:
        inputs, labels: (victim, m, d) and (victim, m).
    """
    with torch.no_grad():
        return victims(inputs).argmax(-1).eq(labels).float().mean(1)


def sample(cell: Mapping[str, Any]) -> networks.Sample:
    """Draw number `split` of D(d, µ, 1), without poisons: for flips of its own labels."""
    split, n = cell["split"], cell["n"]
    mu = cell["distance"] / cell["d"] ** 0.5
    x, y = toy_data.gaussians(n + cell["test"], cell["d"], mu, np.random.default_rng(split))
    return networks.Sample(x[:n], y[:n], x[n:], y[n:], np.random.default_rng([split, 1]), 2 * split, bounds=None)
