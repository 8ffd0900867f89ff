"""Projected gradient descent on many victims, at many radii, at once (thesis §2.4, Algorithm 1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

Model = Callable[[Tensor], Tensor]
"""Stacked victims: inputs (victim, batch, *shape) to logits (victim, batch, class). A leading 1 is broadcast."""


@dataclass(frozen=True)
class Attacked:
    """What an attack did.

    Attributes:
        broken: (victim, epsilon, batch) bool: the attack reached its goal.
        zero_gradient: (victim, batch) bool: the loss had no input gradient at the clean input (masking).
    """

    broken: Tensor
    zero_gradient: Tensor


def pgd(
    model: Model,
    inputs: Tensor,
    classes: Tensor,
    *,
    targeted: bool,
    epsilons: Sequence[float],
    steps: int,
    step_factor: float = 2.5,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    rule: str = "any",
) -> Attacked:
    """Attack every example on every victim at every radius, independently.

    x₀ = x;  xᵢ = clip(project(xᵢ₋₁ ∓ μ · sign ∇L(f(xᵢ₋₁), c)))  with μ = step_factor · ε / steps, descending the
    cross-entropy towards c when targeted and ascending away from c when not.

    Args:
        inputs: (batch, *shape), the clean examples, inside `bounds`.
        classes: (batch,) int64: the targets when `targeted`, the true labels when not.
        epsilons: radii of the ℓ∞ balls, one attack each.
        steps: sign steps.
        bounds: the inputs' box, or None.
        rule: `"any"` counts an example whose any iterate, the clean input included, is classified as the goal asks;
            `"last"` counts the last iterate alone.
    """
    batch = len(inputs)
    goals = classes.repeat(len(epsilons))
    radii = torch.tensor(epsilons, dtype=inputs.dtype, device=inputs.device).repeat_interleave(batch)
    origin = inputs.repeat(len(epsilons), *[1] * (inputs.dim() - 1))
    with torch.no_grad():
        victims = len(model(inputs[:1].unsqueeze(0)))
    broken = torch.zeros(victims, len(goals), dtype=torch.bool, device=inputs.device)
    zero_gradient = torch.zeros(victims, len(goals), dtype=torch.bool, device=inputs.device)

    place = torch.arange(len(goals), device=inputs.device).expand(victims, -1)
    x = origin.expand(victims, *origin.shape)
    for step in range(steps + 1):
        x = x.detach().requires_grad_(step < steps)
        logits = model(x)
        reached = logits.argmax(-1).eq(goals[place]) == targeted
        if rule == "any" or step == steps:
            broken.scatter_(1, place, broken.gather(1, place) | reached)
        if step == steps:
            break
        (gradient,) = torch.autograd.grad(logits, x, _logit_gradient(logits.detach(), goals[place], targeted))
        if step == 0:
            zero_gradient = gradient.flatten(2).eq(0).all(-1)
        with torch.no_grad():
            if rule == "any":
                keep = _unbroken(broken, place)
                if keep is not None:
                    if keep.shape[1] == 0:
                        break
                    place = place.gather(1, keep)
                    x, gradient = _take(x, keep), _take(gradient, keep)
            clean = origin[place]
            radius = radii[place].view(*place.shape, *[1] * (x.dim() - 2))
            x = x + (step_factor / steps) * radius * gradient.sign()
            x = torch.minimum(torch.maximum(x, clean - radius), clean + radius)
            if bounds is not None:
                x = x.clamp(*bounds)
    shape = (victims, len(epsilons), batch)
    return Attacked(broken.view(shape), zero_gradient.view(shape)[:, 0])


def _logit_gradient(logits: Tensor, classes: Tensor, targeted: bool) -> Tensor:
    """Descent direction's opposite in logit space: ± (softmax − onehot), cross-entropy's gradient."""
    gradient = torch.softmax(logits, -1)
    gradient.scatter_add_(-1, classes.unsqueeze(-1), gradient.new_full((*classes.shape, 1), -1.0))
    return -gradient if targeted else gradient


def _unbroken(broken: Tensor, place: Tensor) -> Tensor | None:
    """Positions, (victim, m), of what is still unbroken, padded with broken ones; None if leaving them in is cheaper."""
    done = broken.gather(1, place)
    width = int((~done).sum(1).max())
    if width > 0.8 * place.shape[1]:
        return None
    return done.to(torch.uint8).argsort(dim=1, stable=True)[:, :width]


def _take(values: Tensor, keep: Tensor) -> Tensor:
    return values.gather(1, keep.view(*keep.shape, *[1] * (values.dim() - 2)).expand(*keep.shape, *values.shape[2:]))
