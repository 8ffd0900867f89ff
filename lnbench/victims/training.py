"""Training many victims of one architecture at once, along a leading victim axis.

Every victim has its own labels, initialisation and batch order; the inputs are shared and stay where they are. A stack
of V victims equals V victims trained alone up to rounding, because nothing in the computation crosses the victim axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lnbench.errors import ProtocolError
from lnbench.protocol.seeds import permutation
from lnbench.protocol.track import Recipe
from lnbench.victims.architecture import Architecture, Parameters

_WARM = 0.3
"""Share of the steps in which the one-cycle schedule rises."""


@dataclass(frozen=True)
class Victims:
    """A stack of trained networks; called with inputs it returns logits.

    Attributes:
        architecture: their common architecture.
        parameters: name -> (victim, …).
        diverged: (victim,) bool: some parameter is not finite.
    """

    architecture: Architecture
    parameters: Parameters

    def __len__(self) -> int:
        return len(next(iter(self.parameters.values())))

    def __call__(self, inputs: Tensor) -> Tensor:
        """Logits (victim, batch, class) of inputs (victim or 1, batch, *shape)."""
        return self.architecture.logits(self.parameters, _per_victim(inputs, len(self)))

    def features(self, inputs: Tensor) -> Tensor:
        """Penultimate activations (victim, batch, feature) of inputs (victim or 1, batch, *shape)."""
        return self.architecture.features(self.parameters, _per_victim(inputs, len(self)))

    def predict(self, inputs: Tensor, chunk: int = 512) -> Tensor:
        """Predicted classes, (victim, batch) int64, of shared inputs (batch, *shape)."""
        with torch.no_grad():
            return torch.cat([self(part.unsqueeze(0)).argmax(-1) for part in inputs.split(chunk)], 1)

    @property
    def diverged(self) -> Tensor:
        """(victim,) bool: some parameter is NaN or infinite."""
        finite = [p.flatten(1).isfinite().all(1) for p in self.parameters.values()]
        return ~torch.stack(finite).all(0)


def train(
    architecture: Architecture,
    recipe: Recipe,
    inputs: Tensor,
    labels: Tensor,
    *,
    init: Sequence[int],
    order: Sequence[int],
    num_classes: int,
    on_step: Callable[[int], None] | None = None,
) -> Victims:
    """Train one victim per row of `labels`.

    Args:
        inputs: (n, *shape), shared by all victims; their device and dtype are the training's.
        labels: (victim, n) int64.
        init: one integer below 2⁶³ per victim: seeds its initialisation, drawn on the CPU in float32.
        order: one integer per victim: entropy of its batch order.
        on_step: called after each step with the number of steps done.

    Raises:
        ProtocolError: if a label is no class, or the shapes do not fit.
    """
    victims, n = labels.shape
    if n != len(inputs) or not len(init) == len(order) == victims:
        raise ProtocolError(
            f"{victims} rows of {n} labels need {n} inputs and {victims} seeds; "
            f"got {len(inputs)} inputs, {len(init)} and {len(order)} seeds."
        )
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        raise ProtocolError(f"labels must be 0 … {num_classes - 1}; got {int(labels.min())} … {int(labels.max())}.")
    shape = tuple(inputs.shape[1:])
    starts = [architecture.init(shape, num_classes, torch.Generator().manual_seed(seed)) for seed in init]
    parameters = {
        name: torch.stack([start[name] for start in starts]).to(inputs.device, inputs.dtype).requires_grad_()
        for name in starts[0]
    }
    optimiser = _optimiser(recipe, list(parameters.values()))
    batches = _batches(n, recipe, order).to(inputs.device)
    rows = torch.arange(victims, device=inputs.device).unsqueeze(1)
    for step in range(recipe.steps):
        index = batches[step]
        logits = architecture.logits(parameters, inputs[index])
        loss = F.cross_entropy(logits.flatten(0, 1), labels[rows, index].flatten(), reduction="sum") / recipe.batch
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * _schedule(recipe, step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        if on_step is not None:
            on_step(step + 1)
    return Victims(architecture, {name: p.detach() for name, p in parameters.items()})


def _optimiser(recipe: Recipe, parameters: list[Tensor]) -> torch.optim.Optimizer:
    """Elementwise optimisers only: they treat a stack as they treat each of its victims."""
    if recipe.optimiser == "adam":
        return torch.optim.AdamW(parameters, recipe.learning_rate, weight_decay=recipe.weight_decay, fused=True)
    return torch.optim.SGD(
        parameters, recipe.learning_rate, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay, fused=True
    )


def _schedule(recipe: Recipe, step: int) -> float:
    """Share of the peak learning rate at this step, in [0, 1]."""
    if recipe.schedule == "constant":
        return 1.0
    done = (step + 1) / recipe.steps
    return done / _WARM if done < _WARM else 0.5 + 0.5 * math.cos(math.pi * (done - _WARM) / (1 - _WARM))


def _batches(n: int, recipe: Recipe, order: Sequence[int]) -> Tensor:
    """Batch orders (step, victim, batch) int64, cut from end-to-end permutations of the training set."""
    rounds = -(-recipe.steps * recipe.batch // n)
    orders = np.stack([permutation(n, entropy, rounds)[: recipe.steps * recipe.batch] for entropy in order])
    return torch.from_numpy(orders.reshape(len(order), recipe.steps, recipe.batch).swapaxes(0, 1).copy())


def _per_victim(inputs: Tensor, victims: int) -> Tensor:
    return inputs.expand(victims, *inputs.shape[1:])
