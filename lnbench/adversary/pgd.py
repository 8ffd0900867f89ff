"""Projected gradient descent on many victims, at many radii, at once (thesis §2.4, Algorithm 1).

`lnbench.adversary.plain` is the same attack on one victim at one radius, in a dozen lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lnbench.adversary.losses import ascent, check_loss
from lnbench.adversary.norms import advance, check_norm, uniform
from lnbench.adversary.stack import Bounds, Goals, Model, aim, per_row, reached, take, unfinished
from lnbench.errors import ProtocolError
from lnbench.kernels import between, fence

PRESETS: dict[str, dict[str, Any]] = {
    "protocol": {"rule": "any", "norm": "linf", "loss": "cross-entropy", "random_start": None, "restarts": 1},
    "thesis": {"rule": "last", "norm": "linf", "loss": "cross-entropy", "random_start": None, "restarts": 1},
}
"""Keyword arguments of `pgd` by name: what the tracks measure, and Algorithm 1 of the thesis (start at x, sign steps,
the last iterate counts). Algorithm 1 does not mention the inputs' box: pass bounds=None to follow it to the letter."""

_COMPACT_EVERY = 4
"""On a GPU the batch is compacted this often, because asking how many are left waits for the device."""


@dataclass(frozen=True)
class Attacked:
    """What an attack did.

    Attributes:
        broken: (victim, epsilon, batch) bool: the attack reached its goal.
        zero_gradient: (victim, batch) bool: the loss had no input gradient at the clean input (masking).
        undefined: (victim, batch) bool: some logit was NaN at some iterate that the rule looks at. Such a prediction
            reaches no goal, neither targeted nor untargeted: if all are undefined the example counts as not broken.
        points: (victim, epsilon, batch, *shape): the iterate that reached the goal first where one did (under the rule
            `last`: the last iterate), else the last. None unless asked for.
    """

    broken: Tensor
    zero_gradient: Tensor
    undefined: Tensor
    points: Tensor | None = None


def pgd(
    model: Model,
    inputs: Tensor,
    classes: Tensor,
    *,
    targeted: bool,
    epsilons: Sequence[float] | Tensor,
    steps: int,
    step_factor: float = 2.5,
    step_size: float | None = None,
    bounds: Bounds = (0.0, 1.0),
    rule: str = "any",
    norm: str = "linf",
    loss: str = "cross-entropy",
    random_start: torch.Generator | None = None,
    restarts: int = 1,
    keep_points: bool = False,
    chunk: int = 16384,
) -> Attacked:
    """Attack every example on every victim at every radius, independently.

    x₀ = x;  xᵢ = clip(project(xᵢ₋₁ + μ · steepest(∇ₓJ(f(xᵢ₋₁), c))))  with μ = step_factor · ε / steps and J the
    objective of `losses`. For the cross-entropy and ℓ∞ that is Algorithm 1's xᵢ₋₁ − μ · sign ∇L(f(xᵢ₋₁), t) towards a
    target t, and xᵢ₋₁ + μ · sign ∇L(f(xᵢ₋₁), y) away from the label y.

    Args:
        inputs: (batch, *shape), the clean examples, inside `bounds`; or (victim, batch, *shape), each victim's own.
        classes: (batch,) int64, or (victim, batch) with inputs of each victim's own: the targets when `targeted`, the
            true labels when not.
        epsilons: radii of the balls, at least 0, one attack each; or a tensor (epsilon, batch), each example's own.
        steps: steps of one attack, at least 1.
        step_size: μ in units of the inputs, instead of step_factor · ε / steps.
        bounds: the inputs' box, or None.
        rule: `"any"` counts an example whose any iterate, the clean input included, is classified as the goal asks;
            `"last"` counts the last iterate alone.
        norm: `"linf"`, `"l2"` or `"l1"`.
        loss: `"cross-entropy"`, `"margin"` or `"dlr"`.
        random_start: start at a uniform point of the ball (clipped to the box) drawn from this generator instead of at
            x. The starts are shared by all victims, so a stack is attacked as its victims are one at a time.
        restarts: independent attacks from different random starts; broken if any of them succeeds.
        keep_points: return the adversarial examples too.
        chunk: attacks (victim × epsilon × example) carried on at a time, to bound memory; it does not change results
            beyond rounding.

    Raises:
        ProtocolError: if an argument makes no sense: the message says which, what came and what is expected.

    Source:
        Madry et al. 2018; thesis, Algorithm 1 (whose line 25 says L(d, t) for L(d, y)).
    """
    check_norm(norm)
    if steps < 1:
        raise ProtocolError(f"PGD takes at least one step; got {steps}.")
    if rule not in ("any", "last"):
        raise ProtocolError(f"PGD's rule is 'any' or 'last'; got {rule!r}.")
    if restarts < 1 or (restarts > 1 and random_start is None):
        raise ProtocolError(f"PGD runs once, or more often from random starts only; got {restarts} restarts.")
    if not 0 < step_factor < float("inf") or (step_size is not None and not 0 < step_size < float("inf")):
        raise ProtocolError(f"PGD's step is a positive number; got step_factor {step_factor}, step_size {step_size}.")
    goals = aim(model, inputs, classes, epsilons, bounds)
    check_loss(loss, targeted, goals.num_classes)
    stride = (step_factor / steps) * goals.radii if step_size is None else torch.full_like(goals.radii, step_size)
    shape, points = (goals.victims, goals.total), goals.stacked().clone() if keep_points else None
    broken, zero_gradient, undefined = inputs.new_zeros(3, *shape, dtype=torch.bool)
    flags = (broken, zero_gradient, undefined)
    run = _Run(model, goals, targeted, steps, stride, bounds, rule, norm, loss, *flags, points)
    width = max(chunk // goals.victims, 1)
    for restart in range(restarts if goals.total else 0):
        starts = None if random_start is None else _starts(goals, norm, bounds, random_start)
        for place in goals.places().split(width, 1):
            run.descend(place, restart, starts)
    curve = (goals.victims, goals.curve, goals.batch)
    return Attacked(
        broken.view(curve),
        zero_gradient.view(curve)[:, 0],
        undefined.view(curve).any(1),
        None if points is None else points.view(*curve, *goals.origin.shape[1:]),
    )


def fgsm(
    model: Model, inputs: Tensor, classes: Tensor, *, targeted: bool, epsilons: Sequence[float] | Tensor, **options: Any
) -> Attacked:
    """One step of size ε from x, the fast gradient sign method: `pgd`'s one-step case. Options are `pgd`'s."""
    fixed = {"targeted": targeted, "epsilons": epsilons, "steps": 1, "step_factor": 1.0}
    return pgd(model, inputs, classes, **{"rule": "last", **options, **fixed})


def _starts(goals: Goals, norm: str, bounds: Bounds, generator: torch.Generator) -> Tensor:
    """Uniform points of the balls, clipped to the box: a row per clean example, the same for every victim."""
    n = goals.total
    noise = uniform((n, *goals.origin.shape[1:]), norm, goals.origin, generator)
    noise = noise.repeat(len(goals.origin) // n, *[1] * (noise.dim() - 1))
    starts = goals.origin + per_row(goals.radii, noise) * noise
    return starts if bounds is None else starts.clamp_(*bounds)


@dataclass
class _Run:
    """One call: its settings, and its results so far over (victim, total)."""

    model: Model
    goals: Goals
    targeted: bool
    steps: int
    stride: Tensor
    bounds: Bounds
    rule: str
    norm: str
    loss: str
    broken: Tensor
    zero_gradient: Tensor
    undefined: Tensor
    points: Tensor | None

    def descend(self, place: Tensor, restart: int, starts: Tensor | None) -> None:
        """Attack what is still unbroken of `place` once, from `starts` (n, *shape), or from the clean examples if None.

        The first restart looks at the clean examples in any case: `zero_gradient` and the rule `any` ask for them.
        """
        goals = self.goals
        if restart:
            keep = unfinished(self.broken.gather(1, place), share=1.0)
            place = place if keep is None else place.gather(1, keep)
            if not place.shape[1]:
                return
        begin = -1 if starts is not None and not restart else 0
        rows = goals.rows(place)
        x = (goals.origin if starts is None or begin else starts)[rows]
        classes, fences = goals.classes[rows], self._fences(rows)
        done, undefined = self.broken.gather(1, place), self.undefined.gather(1, place)
        for step in range(begin, self.steps + 1):
            final = step == self.steps
            x = x.detach().requires_grad_(not final)
            logits = self.model(x)
            if final or self.rule == "any":
                hit, unclear = reached(logits.detach(), classes, self.targeted)
                if self.points is not None:
                    self._keep(self.points, place, x.detach(), done)
                done, undefined = done | hit, undefined | unclear
            if final:
                break
            (gradient,) = torch.autograd.grad(
                logits, x, ascent(logits.detach(), classes, targeted=self.targeted, loss=self.loss)
            )
            x = x.detach()
            if step == begin and not restart:
                self.zero_gradient.scatter_(1, place, gradient.flatten(2).eq(0).all(-1))
            if self.rule == "any" and (not x.is_cuda or step % _COMPACT_EVERY == 0):
                keep = unfinished(done)
                if keep is not None:
                    self._note(place, done, undefined)
                    place, done, undefined = (value.gather(1, keep) for value in (place, done, undefined))
                    if place.shape[1] == 0:
                        break
                    rows = goals.rows(place)
                    classes, fences = goals.classes[rows], self._fences(rows)
                    x, gradient = take(x, keep), take(gradient, keep)
            if step < 0 and starts is not None:
                x = starts[rows]
            elif fences is not None:
                x = between(x, gradient, *fences)
            else:
                x = advance(x, gradient, goals.origin, rows, self.stride, goals.radii, self.bounds, self.norm)
        self._note(place, done, undefined)

    def _fences(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor] | None:
        """Steps and fences of these rows where that saves building them every step: in ℓ∞, on CPUs."""
        goals = self.goals
        if self.norm != "linf" or rows.is_cuda:
            return None
        low, high = fence(goals.origin, rows, goals.radii, self.bounds)
        return per_row(self.stride[rows], low), low, high

    def _note(self, place: Tensor, done: Tensor, undefined: Tensor) -> None:
        """Write down what became of these places."""
        self.broken.scatter_(1, place, done)
        self.undefined.scatter_(1, place, undefined)

    def _keep(self, points: Tensor, place: Tensor, x: Tensor, done: Tensor) -> None:
        """Let the points of those not `done` before be these."""
        index = per_row(place, x).expand_as(x)
        points.scatter_(1, index, torch.where(per_row(done, x), points.gather(1, index), x))
