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
from torch import Tensor

from lnbench.errors import ProtocolError
from lnbench.kernels.cross_entropy import cross_entropy
from lnbench.kernels.gather import gather
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

    def predict(self, inputs: Tensor, subset: Tensor | None = None, chunk: int = 512) -> Tensor:
        """Predicted classes (victim, batch) int64 of shared inputs (batch, *shape).

        Args:
            subset: (victim, batch) int64, each victim's own rows of `inputs`; all of them if None.
        """
        with torch.no_grad():
            if subset is None:
                return torch.cat([self(part.unsqueeze(0)).argmax(-1) for part in inputs.split(chunk)], 1)
            return torch.cat([self(gather(inputs, part)).argmax(-1) for part in subset.split(chunk, 1)], 1)

    @staticmethod
    def joined(stacks: Sequence[Victims]) -> Victims:
        """One stack of several stacks' victims, in order."""
        if len(stacks) == 1:
            return stacks[0]
        names = stacks[0].parameters
        return Victims(stacks[0].architecture, {k: torch.cat([s.parameters[k] for s in stacks]) for k in names})

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
    subset: Tensor | None = None,
    on_step: Callable[[int], None] | None = None,
) -> Victims:
    """Train one victim per row of `labels`.

    Args:
        inputs: (n, *shape), resident once and shared by all victims; their device and dtype are the training's.
        labels: (victim, n) int64.
        init: one integer below 2⁶³ per victim: seeds its initialisation, drawn on the CPU in float32.
        order: one integer per victim: entropy of its batch order.
        subset: (victim, n) int64, each victim's own training points as rows of `inputs`, which then may be more; all
            of `inputs` if None.
        on_step: called after each step with the number of steps done.

    Raises:
        ProtocolError: if a label is no class, or the shapes do not fit.
    """
    victims, n = labels.shape
    points = len(inputs) if subset is None else subset.shape[-1]
    if n != points or not len(init) == len(order) == victims or (subset is not None and len(subset) != victims):
        raise ProtocolError(
            f"{victims} rows of {n} labels need {n} inputs each and {victims} seeds; "
            f"got {points} inputs, {len(init)} and {len(order)} seeds"
            + ("." if subset is None else f", and a subset of {len(subset)} rows.")
        )
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        raise ProtocolError(f"labels must be 0 … {num_classes - 1}; got {int(labels.min())} … {int(labels.max())}.")
    shape = tuple(inputs.shape[1:])
    starts = [architecture.init(shape, num_classes, torch.Generator().manual_seed(seed)) for seed in init]
    parameters = {
        name: torch.stack([start[name] for start in starts]).to(inputs.device, inputs.dtype).requires_grad_()
        for name in starts[0]
    }
    optimiser = Optimiser(recipe, list(parameters.values()))
    batches = _batches(n, recipe, order).to(inputs.device)
    for step in range(recipe.steps):
        index = batches[step]
        some = labels.gather(1, index)
        examples = gather(inputs, index if subset is None else subset.gather(1, index))
        logits = architecture.logits(parameters, examples)
        _, ascent = cross_entropy(logits.detach(), some)
        gradients = torch.autograd.grad(logits, optimiser.parameters, ascent.div_(recipe.batch))
        optimiser.step(gradients, recipe.learning_rate * _schedule(recipe, step))
        if on_step is not None:
            on_step(step + 1)
    return Victims(architecture, {name: p.detach() for name, p in parameters.items()})


class Optimiser:
    """One fused update of all victims' parameters a step, from given gradients.

    Elementwise rules only: they treat a stack as they treat each of its victims. The arithmetic is that of
    `torch.optim`'s fused AdamW and SGD, called without the bookkeeping that costs more than the update itself here.

    Args:
        parameters: leaves, changed in place.
    """

    def __init__(self, recipe: Recipe, parameters: list[Tensor]) -> None:
        self.recipe, self.parameters, self.fresh = recipe, parameters, True
        self.first, self.second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        self.counts = [torch.zeros((), device=p.device) for p in parameters]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], learning_rate: float) -> None:
        """Change the parameters once."""
        recipe, whole = self.recipe, [g.contiguous() for g in gradients]
        if recipe.optimiser == "adam":
            torch._foreach_add_(self.counts, 1)
            torch._fused_adamw_(
                self.parameters,
                whole,
                self.first,
                self.second,
                [],
                self.counts,
                lr=learning_rate,
                beta1=0.9,
                beta2=0.999,
                weight_decay=recipe.weight_decay,
                eps=1e-8,
                amsgrad=False,
                maximize=False,
            )
        else:
            torch._fused_sgd_(
                self.parameters,
                whole,
                self.first,
                weight_decay=recipe.weight_decay,
                momentum=0.9,
                lr=learning_rate,
                dampening=0.0,
                nesterov=True,
                maximize=False,
                is_first_step=self.fresh,
            )
        self.fresh = False


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
