"""PGD on one victim at one radius, written as Algorithm 1 of the thesis reads: what `pgd` is tested against.

`pgd` attacks many victims at many radii at once, takes examples that have reached their goal out of the batch, and
writes gradients in closed form. None of that changes what an attack is, which is this.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor


def plain_pgd(
    network: Callable[[Tensor], Tensor],
    inputs: Tensor,
    classes: Tensor,
    *,
    targeted: bool,
    epsilon: float,
    steps: int,
    step_factor: float = 2.5,
    norm: str = "linf",
    rule: str = "any",
    bounds: tuple[float, float] | None = (0.0, 1.0),
) -> tuple[Tensor, Tensor]:
    """Whether the attack broke each example, (batch,) bool, and where it led it, (batch, *shape).

    Args:
        network: one victim: inputs (batch, *shape) to logits (batch, class).
        inputs: (batch, *shape), the clean examples, inside `bounds`.
        classes: (batch,) int64: the targets when `targeted`, the true labels when not.
        epsilon: radius of the ball, in units of the inputs.
        steps: how many, each of size step_factor · ε / steps.
        norm: `"linf"` or `"l2"`.
        rule: `"any"`: an example stays at the first point, the clean input included, that is classified as the goal
            asks; `"last"`: every example takes all steps.
        bounds: the inputs' box, or None, as in the thesis.

    Source:
        Madry et al. 2018; thesis, Algorithm 1 (the rule `last`, ℓ∞).
    """
    x = inputs
    for _ in range(steps):
        here = x.clone().requires_grad_()
        logits = network(here)
        loss = F.cross_entropy(logits, classes, reduction="sum")
        (uphill,) = torch.autograd.grad(-loss if targeted else loss, here)
        if norm == "linf":
            step = uphill.sign()
            offset = (x + step_factor * epsilon / steps * step - inputs).clamp(-epsilon, epsilon)
        else:
            step = (uphill / _length(uphill)).nan_to_num()  # no gradient, no step
            offset = x + step_factor * epsilon / steps * step - inputs
            offset = torch.where(_length(offset) > epsilon, offset * epsilon / _length(offset), offset)
        moved = inputs + offset if bounds is None else (inputs + offset).clamp(*bounds)
        x = torch.where(_per_row(_reached(logits, classes, targeted), x), x, moved) if rule == "any" else moved
    return _reached(network(x), classes, targeted), x.detach()


def _reached(logits: Tensor, classes: Tensor, targeted: bool) -> Tensor:
    """(batch,) bool: predicted as the goal asks; a prediction with a NaN logit never is."""
    return (logits.argmax(1).eq(classes) == targeted) & ~logits.isnan().any(1)


def _length(rows: Tensor) -> Tensor:
    """ℓ2 norms, shaped to broadcast over the rows."""
    return _per_row(torch.linalg.vector_norm(rows.flatten(1), dim=1), rows)


def _per_row(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * (like.dim() - 1))
