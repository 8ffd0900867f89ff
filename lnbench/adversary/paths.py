"""Adversarial paths: the way from a point to the decision boundary in small steps (thesis §4.10.1).

The thesis calls the procedures targeted- and untargeted-unbounded-gradient-ascent.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lnbench.adversary.losses import ascent
from lnbench.adversary.stack import Bounds, Model, check_classes, check_inputs, probe, reached, take, unfinished
from lnbench.errors import ProtocolError


@dataclass(frozen=True)
class Paths:
    """Adversarial paths of every example on every victim.

    Attributes:
        lengths: (victim, batch) int64: steps until the goal was reached, 0 for an example that starts there;
            `max_steps` + 1 where it never was, so that lengths still sort.
        points: (victim, batch, longest + 1, *shape): the inputs after 0, 1, … steps, where `longest` is the largest
            number of steps any path took; after its end a path repeats its last point. None unless asked for.
    """

    lengths: Tensor
    points: Tensor | None = None


def path_lengths(
    model: Model,
    inputs: Tensor,
    classes: Tensor,
    *,
    targeted: bool = True,
    step: float = 0.01,
    max_steps: int = 1000,
    bounds: Bounds = None,
    chunk: int = 2048,
) -> Tensor:
    """Steps of the adversarial paths, (victim, batch) int64; `max_steps` + 1 where the goal is never reached.

    See `adversarial_paths` for the arguments.
    """
    return adversarial_paths(
        model, inputs, classes, targeted=targeted, step=step, max_steps=max_steps, bounds=bounds, chunk=chunk
    ).lengths


def adversarial_paths(
    model: Model,
    inputs: Tensor,
    classes: Tensor,
    *,
    targeted: bool = True,
    step: float = 0.01,
    max_steps: int = 1000,
    bounds: Bounds = None,
    record: bool = False,
    chunk: int = 2048,
) -> Paths:
    """Walk from every example to each victim's decision boundary.

    x₀ = x;  xᵢ = xᵢ₋₁ ∓ ω · sign ∇ₓL(f(xᵢ₋₁), c), with L the cross-entropy, until f(xᵢ) is classified as c (targeted)
    or no longer as c (untargeted). Nothing is projected; as in the thesis the box is ignored too, unless `bounds` are
    given.

    A point with no gradient at all, or with a NaN logit, cannot move on and counts as never arriving.

    Args:
        inputs: (batch, *shape), the paths' starts.
        classes: (batch,) int64: the targets when `targeted`, the true labels when not.
        step: ω > 0, the size of one sign step in units of the inputs.
        max_steps: steps after which a path is given up, at least 1.
        bounds: clip every point to this box; None: no clipping.
        record: keep the points of the paths. Takes (longest + 1) times the memory of the inputs per victim.
        chunk: examples walked at a time, to bound memory; it does not change results beyond rounding.

    Raises:
        ProtocolError: if step, max_steps, inputs, classes or bounds make no sense.
    """
    if not 0 < step < float("inf"):
        raise ProtocolError(f"a path's step is a positive number; got {step}.")
    if max_steps < 1 or chunk < 1:
        raise ProtocolError(f"a path takes at least one step, a chunk one example; got {max_steps} and {chunk}.")
    check_inputs(inputs, classes, bounds)
    victims, num_classes = probe(model, inputs)
    check_classes(classes, num_classes)
    if not len(inputs):
        none = inputs.new_zeros(victims, 0, 1, *inputs.shape[1:])
        return Paths(classes.new_zeros(victims, 0, dtype=torch.long), none if record else None)
    parts = [
        _walk(model, part, goals, victims, targeted, step, max_steps, bounds, record)
        for part, goals in zip(inputs.split(chunk), classes.split(chunk), strict=True)
    ]
    lengths = torch.cat([part.lengths for part in parts], 1)
    if not record:
        return Paths(lengths)
    longest = max(part.points.shape[2] for part in parts if part.points is not None)
    points = torch.cat([_lengthened(part.points, longest) for part in parts if part.points is not None], 1)
    return Paths(lengths, points)


def _walk(
    model: Model,
    inputs: Tensor,
    classes: Tensor,
    victims: int,
    targeted: bool,
    step: float,
    max_steps: int,
    bounds: Bounds,
    record: bool,
) -> Paths:
    batch = len(inputs)
    lengths = inputs.new_full((victims, batch), max_steps + 1, dtype=torch.long)
    done = torch.zeros(victims, batch, dtype=torch.bool, device=inputs.device)
    place = torch.arange(batch, device=inputs.device).expand(victims, -1)
    x = inputs.expand(victims, *inputs.shape)
    whole = x.clone()
    points = [whole.clone()] if record else []
    for taken in range(max_steps + 1):
        x = x.detach().requires_grad_(taken < max_steps)
        logits = model(x)
        goals = classes[place]
        arrived, undefined = reached(logits.detach(), goals, targeted)
        arrived &= ~done.gather(1, place)
        lengths.scatter_(1, place, torch.where(arrived, taken, lengths.gather(1, place)))
        if taken == max_steps:
            break
        (gradient,) = torch.autograd.grad(logits, x, ascent(logits.detach(), goals, targeted=targeted))
        with torch.no_grad():
            stuck = undefined | gradient.flatten(2).eq(0).all(-1)
            done.scatter_(1, place, done.gather(1, place) | arrived | stuck)
            keep = unfinished(done.gather(1, place))
            if keep is not None:
                if keep.shape[1] == 0:
                    break
                place = place.gather(1, keep)
                x, gradient = take(x, keep), take(gradient, keep)
            x = x.detach() + step * gradient.sign_()
            if bounds is not None:
                x.clamp_(*bounds)
            if record:
                moving = (~done.gather(1, place)).view(*place.shape, *[1] * (x.dim() - 2))
                index = place.view(*place.shape, *[1] * (x.dim() - 2)).expand_as(x)
                whole.scatter_(1, index, torch.where(moving, x, whole.gather(1, index)))
                points.append(whole.clone())
    return Paths(lengths, torch.stack(points, 2) if record else None)


def _lengthened(points: Tensor, length: int) -> Tensor:
    """The same paths with their last points repeated up to `length` points."""
    missing = length - points.shape[2]
    return torch.cat([points, points[:, :, -1:].expand(-1, -1, missing, *points.shape[3:])], 2) if missing else points
