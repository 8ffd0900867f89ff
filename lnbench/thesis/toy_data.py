"""The toy distributions of the thesis (§4.2), of which density, mass and boundary are known.

D(d, µ, σ²): x ~ ½N(−µ1, σ²I) + ½N(µ1, σ²I) in d dimensions, with labels c(x) = ⟦x·1 ≥ 0⟧. P(d, µ, σ², r) adds
mislabelled points, the poisons, at distance r from the two means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


def gaussians(n: int, d: int, mu: float, rng: np.random.Generator, sigma: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """n draws from D(d, µ, σ²): inputs (n, d) float32 and their true labels (n,) int64.

    The means lie 2µ√d apart; a draw lies about σ√d from its own.
    """
    signs = rng.choice([-1.0, 1.0], n)
    inputs = signs[:, None] * mu + sigma * rng.standard_normal((n, d))
    return inputs.astype(np.float32), truth(inputs)


def truth(inputs: np.ndarray) -> np.ndarray:
    """The true labels c(x) = ⟦x·1 ≥ 0⟧ of inputs (…, d), (…,) int64."""
    labels: np.ndarray = (inputs.sum(-1) >= 0).astype(np.int64)
    return labels


def shell(count: int, centre: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """`count` points uniform on the sphere of this radius about `centre` (d,), (count, d) float32."""
    directions = rng.standard_normal((count, len(centre)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return (centre + radius * directions).astype(np.float32)


def poisons(
    per_class: int, d: int, mu: float, radius: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """`per_class` points at distance `radius` from each mean: inputs (2·per_class, d) and the class of their mean."""
    means = [np.full(d, -mu), np.full(d, mu)]
    inputs = np.concatenate([shell(per_class, mean, radius, rng) for mean in means])
    return inputs, np.repeat([0, 1], per_class)


@dataclass(frozen=True)
class PoisonedSets:
    """One poisoned training set and one clean test set per seed.

    Attributes:
        inputs: (seed, n + poisons, d), the poisons last.
        labels: (seed, n + poisons): true labels, then those of the poisons.
        near_class: (poisons,) the class of the mean that each poison lies near.
        label_is_true: (seed, poisons) bool: the label of the poison is its true one, because it lies beyond the
            boundary.
        test_inputs, test_labels: (seed, m, d) and (seed, m).
    """

    inputs: Tensor
    labels: Tensor
    near_class: np.ndarray
    label_is_true: np.ndarray
    test_inputs: Tensor
    test_labels: Tensor


def poisoned_sets(
    seeds: Sequence[int], *, n: int, test: int, d: int, mu: float, radius: float | None, per_class: int, third: bool
) -> PoisonedSets:
    """P(d, µ, 1, r) once per seed. Everything is drawn anew for every seed; the poisons do not move the clean draws.

    Args:
        n, test: clean training points and test points of one set.
        radius: r, the distance of the poisons from their mean; None for no poisons.
        per_class: poisons near each mean.
        third: the poisons' label is 2, a class of their own, instead of the opposite class.
    """
    inputs, labels, test_inputs, test_labels, label_is_true = [], [], [], [], []
    near_class = np.repeat([0, 1], 0 if radius is None else per_class)
    for seed in seeds:
        rng, poison_rng = (np.random.default_rng([seed, stream]) for stream in (0, 1))
        x, y = gaussians(n + test, d, mu, rng)
        extra = np.zeros((0, d), np.float32) if radius is None else poisons(per_class, d, mu, radius, poison_rng)[0]
        wrong = np.full(len(near_class), 2) if third else 1 - near_class
        inputs.append(np.concatenate([x[:n], extra]))
        labels.append(np.concatenate([y[:n], wrong]))
        test_inputs.append(x[n:])
        test_labels.append(y[n:])
        label_is_true.append(truth(extra) == wrong)
    tensors = [torch.from_numpy(np.stack(part)) for part in (inputs, labels, test_inputs, test_labels)]
    return PoisonedSets(tensors[0], tensors[1], near_class, np.stack(label_is_true), tensors[2], tensors[3])
