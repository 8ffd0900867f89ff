"""Toy data whose every density is known, and training stacks of victims that each have a data set of their own.

The thesis's toy set D(d, µ, σ²) (§4.2): x ~ ½N(−µ1, σ²I) + ½N(µ1, σ²I) in d dimensions, labelled c(x) = ⟦x·1 ≥ 0⟧, and
P(d, µ, σ², r), which adds mislabelled points at distance r of the means.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lnbench.errors import ProtocolError
from lnbench.protocol.recipe import Recipe
from lnbench.victims import Architecture, Parameters, Stateful, Victims, train

Perturb = Callable[[Callable[[Tensor], Tensor], Tensor, Tensor], Tensor]
"""(model, inputs (victim, batch, *shape), labels (victim, batch)) -> what to train on, for robust training."""


def gaussians(n: int, d: int, mu: float, rng: np.random.Generator, sigma: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """n draws from D(d, µ, σ²): inputs (n, d) float32 and their true labels (n,) int64.

    The means lie 2µ√d apart; a draw is about σ√d from its own.
    """
    signs = rng.choice([-1.0, 1.0], n)
    inputs = signs[:, None] * mu + sigma * rng.standard_normal((n, d))
    return inputs.astype(np.float32), truth(inputs)


def truth(inputs: np.ndarray) -> np.ndarray:
    """c(x) = ⟦x·1 ≥ 0⟧ of inputs (…, d), (…,) int64."""
    labels: np.ndarray = (inputs.sum(-1) >= 0).astype(np.int64)
    return labels


def shell(count: int, centre: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """`count` uniform points at distance `radius` of `centre` (d,), (count, d) float32."""
    directions = rng.standard_normal((count, len(centre)))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    return (centre + radius * directions).astype(np.float32)


def poisons(
    per_class: int, d: int, mu: float, radius: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """`per_class` points at distance `radius` of each mean: inputs (2·per_class, d) and the class of their mean."""
    means = [np.full(d, -mu), np.full(d, mu)]
    inputs = np.concatenate([shell(per_class, mean, radius, rng) for mean in means])
    return inputs, np.repeat([0, 1], per_class)


def train_each(
    architecture: Architecture,
    recipe: Recipe,
    inputs: Tensor,
    labels: Tensor,
    *,
    init: Sequence[int],
    order: Sequence[int],
    num_classes: int,
    perturb: Perturb | None = None,
    watch: Callable[[int, Victims], None] | None = None,
) -> Victims:
    """Train one victim per data set: `lnbench.victims.train` where the victims do not share their inputs.

    Args:
        inputs: (victim, n, *shape) floating point; n at most 2²⁴.
        labels: (victim, n) int64.
        init, order, num_classes: as for `lnbench.victims.train`.
        perturb: what to train on instead of each batch, such as the adversary's points.
        watch: called after every step with the number of steps done and the victims as they are then.

    Raises:
        ProtocolError: if the shapes do not fit, or the architecture's stacks do not compute at once.
    """
    if inputs.shape[:2] != labels.shape or inputs.shape[1] > 2**24:
        raise ProtocolError(
            f"each victim needs one label per input, at most 2²⁴; got inputs {tuple(inputs.shape)} and labels "
            f"{tuple(labels.shape)}."
        )
    rows = torch.arange(inputs.shape[1], dtype=inputs.dtype, device=inputs.device).unsqueeze(1)
    if isinstance(architecture, Stateful) and not architecture.stacked:
        raise ProtocolError("each victim on its own inputs needs an architecture whose stacks compute at once.")
    kind = _StatefulLookup if isinstance(architecture, Stateful) else _Lookup
    lookup = kind(architecture, inputs, labels, perturb)

    def on_step(step: int) -> None:
        if watch is not None:
            watch(step, Victims(architecture, {name: p.detach() for name, p in lookup.current[0].items()}))

    found = train(lookup, recipe, rows, labels, init=init, order=order, num_classes=num_classes, on_step=on_step)
    return Victims(architecture, found.parameters)


class _Lookup:
    """An architecture whose inputs are row numbers (victim, batch, 1), looked up in each victim's own data set.

    `train` shares one set of inputs among its victims; what these share is the numbers.
    """

    def __init__(self, inner: Architecture, inputs: Tensor, labels: Tensor, perturb: Perturb | None) -> None:
        self.inner, self.inputs, self.labels, self.perturb = inner, inputs, labels, perturb
        self.current: list[Parameters] = [{}]

    def init(self, shape: tuple[int, ...], num_classes: int, generator: torch.Generator) -> Parameters:
        """One network's parameters, for the shape of the real inputs."""
        return self.inner.init(tuple(self.inputs.shape[2:]), num_classes, generator)

    def features(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Penultimate activations of the rows."""
        return self.inner.features(parameters, self._look_up(parameters, inputs))

    def logits(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Logits of the rows."""
        return self.inner.logits(parameters, self._look_up(parameters, inputs))

    def _look_up(self, parameters: Parameters, rows: Tensor) -> Tensor:
        self.current[0] = parameters
        index = rows[..., 0].long()
        victims = torch.arange(len(self.inputs), device=index.device).unsqueeze(1)
        inputs = self.inputs[victims, index]
        if self.perturb is None:
            return inputs
        fixed = {name: p.detach() for name, p in parameters.items()}
        return self.perturb(Victims(self.inner, fixed), inputs, self.labels[victims, index])


class _StatefulLookup(_Lookup):
    """The same of an architecture that computes otherwise in training."""

    stacked = True

    def training_logits(self, parameters: Parameters, inputs: Tensor) -> tuple[Tensor, Parameters]:
        """Logits of the rows in training, and the new buffers."""
        assert isinstance(self.inner, Stateful)
        return self.inner.training_logits(parameters, self._look_up(parameters, inputs))


@dataclass(frozen=True)
class Poisoned:
    """A stack of poisoned toy sets and their clean test sets, one of each per seed.

    Attributes:
        inputs: (seed, n + poisons, d), the poisons last.
        labels: (seed, n + poisons): true labels, and the poisons' wrong ones.
        homes: (poisons,) the class of the mean each poison is near.
        right: (seed, poisons) bool: the poison's "wrong" label is its true one, because it lies over the boundary.
        test_inputs, test_labels: (seed, m, d) and (seed, m).
    """

    inputs: Tensor
    labels: Tensor
    homes: np.ndarray
    right: np.ndarray
    test_inputs: Tensor
    test_labels: Tensor


def poisoned_sets(
    seeds: Sequence[int], *, n: int, test: int, d: int, mu: float, radius: float | None, per_class: int, third: bool
) -> Poisoned:
    """P(d, µ, 1, r) once per seed; everything is drawn anew for every seed, and the same seed has the same clean draws.

    Args:
        n, test: clean training points and test points of one set.
        radius: r, the poisons' distance of their mean; None for no poisons.
        per_class: poisons near each mean.
        third: label the poisons 2, a class of their own, instead of the opposite class.
    """
    inputs, labels, tests, answers, right = [], [], [], [], []
    homes = np.repeat([0, 1], 0 if radius is None else per_class)
    for seed in seeds:
        rng, aside = (np.random.default_rng([seed, stream]) for stream in (0, 1))
        x, y = gaussians(n + test, d, mu, rng)
        extra = np.zeros((0, d), np.float32) if radius is None else poisons(per_class, d, mu, radius, aside)[0]
        wrong = np.full(len(homes), 2) if third else 1 - homes
        inputs.append(np.concatenate([x[:n], extra]))
        labels.append(np.concatenate([y[:n], wrong]))
        tests.append(x[n:])
        answers.append(y[n:])
        right.append(truth(extra) == wrong)
    stacked = [torch.from_numpy(np.stack(part)) for part in (inputs, labels, tests, answers)]
    return Poisoned(stacked[0], stacked[1], homes, np.stack(right), stacked[2], stacked[3])
