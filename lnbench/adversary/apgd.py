"""Auto-PGD on stacked victims: momentum, and a step size that halves itself (Croce & Hein 2020, Algorithm 1)."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from lnbench.adversary.losses import ascent, objective
from lnbench.adversary.norms import ahead, confine
from lnbench.adversary.stack import Bounds, Goals, Model, per_row, reached, take, unfinished

MOMENTUM = 0.75
"""α: weight of the new point against the inertia of the last step."""
RISING = 0.75
"""ρ: the step halves if the objective rose in at most this share of the steps since the last checkpoint."""
FIRST, SHORTER, SHORTEST = 0.22, 0.03, 0.06
"""The first interval between checkpoints, by how much each next one is shorter, and the least: shares of the steps."""


@dataclass
class _State:
    """Where every attack of a place (victim, width) stands."""

    place: Tensor
    x: Tensor
    previous: Tensor
    gradient: Tensor
    value: Tensor
    best: Tensor
    best_gradient: Tensor
    best_value: Tensor
    checked_value: Tensor
    step: Tensor
    rises: Tensor
    halved: Tensor

    def of(self, keep: Tensor) -> _State:
        """That of the attacks at these positions (victim, m)."""
        return _State(*(take(getattr(self, f.name), keep) for f in fields(self)))


def apgd(
    model: Model,
    goals: Goals,
    broken: Tensor,
    place: Tensor,
    *,
    targeted: bool,
    towards: bool,
    loss: str,
    classes: Tensor,
    rivals: Tensor | None,
    starts: Tensor,
    steps: int,
    norm: str,
    bounds: Bounds,
) -> None:
    """Run one APGD on the unbroken attacks of `place`; mark in `broken` those that reach their goal at any iterate.

    Args:
        broken: (victim, total) bool, updated.
        place: (victim, width) int64, the attacks to carry on.
        targeted: whether the goal is to reach goals.classes, or to leave them.
        towards: whether the loss pulls towards `classes`, or away from them; an untargeted goal may pull towards a
            target.
        classes: (victim, total) int64: the loss's classes.
        rivals: (victim, total) int64 or None: see `losses.ascent`.
        starts: (n, *shape), where the attacks start.
        steps: at least 1.
    """
    keep = unfinished(broken.gather(1, place), share=1.0)
    place = place if keep is None else place.gather(1, keep)
    if not place.shape[1]:
        return

    def look(x: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """Value and input gradient of the objective, having marked what reached its goal."""
        x = x.detach().requires_grad_()
        logits = model(x)
        fixed = logits.detach()
        hit, undefined = reached(fixed, goals.classes[goals.rows(place)], targeted)
        broken.scatter_(1, place, broken.gather(1, place) | hit)
        aim = classes.gather(1, place)
        rival = None if rivals is None else rivals.gather(1, place)
        slope = ascent(fixed, aim, targeted=towards, loss=loss, rivals=rival)
        (gradient,) = torch.autograd.grad(logits, x, slope)
        value = objective(fixed, aim, targeted=towards, loss=loss, rivals=rival)
        return torch.where(undefined, -torch.inf, value), gradient.detach()

    x = starts[goals.rows(place)]
    value, gradient = look(x, place)
    radius = goals.radii[goals.rows(place)]
    no = torch.zeros_like(place, dtype=torch.bool)
    state = _State(place, x, x, gradient, value, x, gradient, value, value, 2 * radius, place * 0, no)
    interval, since = max(int(FIRST * steps), 1), 0
    for i in range(steps):
        keep = unfinished(broken.gather(1, state.place))
        if keep is not None:
            if not keep.shape[1]:
                return
            state = state.of(keep)
        _advance(state, goals, norm, bounds, 1.0 if i == 0 else MOMENTUM)
        value, state.gradient = look(state.x, state.place)
        state.rises = state.rises + (value > state.value)
        state.value = value
        better = value > state.best_value
        state.best = torch.where(per_row(better, state.x), state.x, state.best)
        state.best_gradient = torch.where(per_row(better, state.x), state.gradient, state.best_gradient)
        state.best_value = torch.where(better, value, state.best_value)
        since += 1
        if since == interval:
            _check(state, interval)
            since, interval = 0, max(interval - max(int(SHORTER * steps), 1), max(int(SHORTEST * steps), 1))


def _advance(state: _State, goals: Goals, norm: str, bounds: Bounds, momentum: float) -> None:
    """One step with momentum, projected on the ball and clipped to the box."""
    rows = goals.rows(state.place)
    clean, radius = goals.origin[rows], goals.radii[rows]
    full = confine(ahead(state.x, state.gradient, state.step, bounds, norm), clean, radius, bounds, norm)
    moved = state.x + momentum * (full - state.x) + (1 - momentum) * (state.x - state.previous)
    state.previous, state.x = state.x, confine(moved, clean, radius, bounds, norm)


def _check(state: _State, interval: int) -> None:
    """A checkpoint: where progress has stalled, halve the step and go back to the best point."""
    stalled = state.rises <= RISING * interval
    stuck = ~state.halved & (state.best_value <= state.checked_value)
    state.halved = stalled | stuck
    state.checked_value = state.best_value
    state.step = torch.where(state.halved, state.step / 2, state.step)
    back = per_row(state.halved, state.x)
    state.x = torch.where(back, state.best, state.x)
    state.previous = torch.where(back, state.best, state.previous)
    state.gradient = torch.where(back, state.best_gradient, state.gradient)
    state.value = torch.where(state.halved, state.best_value, state.value)
    state.rises = torch.zeros_like(state.rises)
