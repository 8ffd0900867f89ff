"""The update of a training step: AdamW or SGD, for all victims of a stack at once."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim.adamw import adamw
from torch.optim.sgd import sgd

from lnbench.protocol.recipe import Recipe


class Optimiser:
    """One fused update of all victims' parameters a step, from given gradients.

    Elementwise rules only: they treat a stack as they treat each of its victims. The arithmetic is that of
    `torch.optim`'s fused AdamW and SGD, called by its functions: the classes' bookkeeping costs more than the update.

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
            adamw(
                self.parameters,
                whole,
                self.first,
                self.second,
                [],
                self.counts,
                fused=True,
                lr=learning_rate,
                beta1=0.9,
                beta2=0.999,
                weight_decay=recipe.weight_decay,
                eps=1e-8,
                amsgrad=False,
                maximize=False,
            )
        else:
            momenta: list[Tensor | None] = [None] * len(whole) if self.fresh else [*self.first]
            sgd(
                self.parameters,
                whole,
                momenta,
                fused=True,
                weight_decay=recipe.weight_decay,
                momentum=0.9,
                lr=learning_rate,
                dampening=0.0,
                nesterov=True,
                maximize=False,
            )
            self.first = [m for m in momenta if m is not None]
        self.fresh = False

    def keep(self, stay: Tensor, parameters: list[Tensor]) -> None:
        """Go on with `parameters`, the rows of the old ones at which `stay` (victim,) bool is true."""
        self.parameters = parameters
        self.first, self.second = [m[stay] for m in self.first], [m[stay] for m in self.second]
