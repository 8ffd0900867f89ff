"""The Square attack on stacked victims: random search that needs no gradient (Andriushchenko et al. 2020).

A white-box attack that this one beats has been fooled by its gradients.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lnbench.adversary.losses import objective
from lnbench.adversary.norms import confine, size
from lnbench.adversary.stack import Bounds, Goals, Model, per_row, reached, unfinished

SHARE = 0.8
"""p: share of the pixels that the first squares cover."""
HALVINGS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
"""Shares of the queries after which p halves: the authors' schedule for 10,000 queries."""


def square(
    model: Model,
    goals: Goals,
    broken: Tensor,
    place: Tensor,
    *,
    targeted: bool,
    queries: int,
    norm: str,
    bounds: Bounds,
    generator: torch.Generator,
) -> None:
    """Random search on the unbroken attacks of `place`; mark in `broken` what reaches its goal.

    Starts at stripes of ±ε, then offers changes of a random square and keeps those that raise the margin loss. In ℓ∞ a
    square is set to ±ε per channel. In ℓ2 and ℓ1 (not the authors' scheme) a square is raised or lowered per channel
    by ε over its own norm, and the result projected on the ball. Inputs that are not (channel, height, width) count as
    one row of pixels.

    The draws are shared by all victims and do not depend on what has left the batch.

    Args:
        broken: (victim, total) bool, updated.
        place: (victim, width) int64, the attacks to carry on.
        queries: forward passes, at least 1.
    """
    shape = tuple(goals.origin.shape[1:])
    image = shape if len(shape) == 3 else (1, 1, int(torch.Size(shape).numel()))
    device, dtype, n = goals.origin.device, goals.origin.dtype, goals.total
    channels, _, width = image

    def signs(*sizes: int) -> Tensor:
        drawn = torch.randint(0, 2, sizes, generator=generator, device=generator.device)
        return (2 * drawn - 1).to(device, dtype)

    keep = unfinished(broken.gather(1, place), share=1.0)
    place = place if keep is None else place.gather(1, keep)
    stripes = signs(n, channels, 1, width).expand(n, *image).reshape(n, *shape)
    value = x = torch.empty(0)
    for query in range(queries):
        drawn = _draw(generator, n, image, query / queries)
        offered = signs(n, channels)
        if not place.shape[1]:
            return
        rows = goals.rows(place)
        clean, radius = goals.origin[rows], goals.radii[rows]
        reach = per_row(radius, clean)
        if query == 0:
            start = stripes[place]
            candidate = clean + reach * start / per_row(size(start, norm), clean)
        else:
            window = _window(drawn, image).to(device)[place]
            push = window * offered[place][..., None, None]
            inside, push = window.expand_as(push).reshape(clean.shape), push.reshape(clean.shape)
            if norm == "linf":
                candidate = torch.where(inside > 0, clean + reach * push, x)
            else:
                candidate = x + reach * push / per_row(size(push, norm), clean)
        candidate = confine(candidate, clean, radius, bounds, norm)
        with torch.no_grad():
            logits = model(candidate)
        hit, undefined = reached(logits, goals.classes[rows], targeted)
        broken.scatter_(1, place, broken.gather(1, place) | hit)
        score = objective(logits, goals.classes[rows], targeted=targeted, loss="margin")
        score = torch.where(undefined, -torch.inf, score)
        better = score > value if query else torch.ones_like(hit)
        x = torch.where(per_row(better, candidate), candidate, x) if query else candidate
        value = torch.where(better, score, value) if query else score
        keep = unfinished(broken.gather(1, place))
        if keep is not None:
            place, value = place.gather(1, keep), value.gather(1, keep)
            x = x.gather(1, per_row(keep, x).expand(*keep.shape, *x.shape[2:]))


def _draw(generator: torch.Generator, n: int, image: tuple[int, int, int], done: float) -> Tensor:
    """(n, 4): top, left, height and width of one square each; `done` is the share of the queries spent."""
    share = SHARE / 2 ** sum(done > h for h in HALVINGS)
    _, height, width = image
    side = max(round((share * height * width) ** 0.5), 1)
    if min(height, width) == 1:
        side = max(round(share * height * width), 1)
    tall, wide = min(side, height), min(side, width)
    place = torch.rand(n, 2, generator=generator, device=generator.device, dtype=torch.float64)
    top, left = (place[:, 0] * (height - tall + 1)).long(), (place[:, 1] * (width - wide + 1)).long()
    return torch.stack([top, left, torch.full_like(top, tall), torch.full_like(top, wide)], 1)


def _window(drawn: Tensor, image: tuple[int, int, int]) -> Tensor:
    """(n, 1, height, width): 1 inside each square."""
    top, left, tall, wide = drawn.unbind(1)
    row, column = torch.arange(image[1], device=drawn.device), torch.arange(image[2], device=drawn.device)
    rows = (row >= top[:, None]) & (row < (top + tall)[:, None])
    columns = (column >= left[:, None]) & (column < (left + wide)[:, None])
    return (rows[:, None, :, None] & columns[:, None, None, :]).float()
