"""Balls: sizes, projections, steepest steps and uniform draws for ℓ∞, ℓ2 and ℓ1.

Rows are whatever follows the two leading axes: tensors are (victim, batch, *shape), radii and step sizes (victim,
batch).
"""

from __future__ import annotations

import torch
from torch import Tensor

from lnbench.adversary.stack import Bounds, per_row
from lnbench.errors import ProtocolError
from lnbench.kernels import l2_step, linf_step

NORMS = ("linf", "l2", "l1")


def check_norm(norm: str) -> None:
    """Refuse a norm that does not exist.

    Raises:
        ProtocolError: naming those there are.
    """
    if norm not in NORMS:
        raise ProtocolError(f"no norm is called {norm!r}; there are {', '.join(NORMS)}.")


def size(offsets: Tensor, norm: str) -> Tensor:
    """Norms of the rows, (victim, batch)."""
    flat = offsets.flatten(2)
    if norm == "linf":
        return flat.abs().amax(-1) if flat.shape[-1] else flat.sum(-1)
    norms: Tensor = torch.linalg.vector_norm(flat, 2.0 if norm == "l2" else 1.0, dim=-1)
    return norms


def project(offsets: Tensor, radius: Tensor, norm: str) -> Tensor:
    """The nearest point (Euclidean) of the ball around 0 to each row.

    ℓ∞: clip every coordinate to ±r. ℓ2: scale by min(1, r/‖v‖). ℓ1: shrink every coordinate towards 0 by the one θ ≥ 0
    that makes the norm r (Duchi et al. 2008).

    Args:
        offsets: (victim, batch, *shape).
        radius: (victim, batch), at least 0.
    """
    reach = per_row(radius, offsets)
    if norm == "linf":
        return torch.minimum(torch.maximum(offsets, -reach), reach)
    norms = size(offsets, norm)
    if norm == "l2":
        return offsets * per_row(torch.where(norms > radius, radius / norms, torch.ones_like(norms)), offsets)
    flat = offsets.flatten(2).abs()
    ordered = flat.sort(-1, descending=True).values
    excess = ordered.cumsum(-1) - radius.unsqueeze(-1)
    rank = torch.arange(1, flat.shape[-1] + 1, device=flat.device)
    support = (ordered * rank > excess).sum(-1, keepdim=True).clamp_(min=1)
    threshold = excess.gather(-1, support - 1) / support
    shrunk = offsets.sign() * (flat - threshold).clamp_(min=0).view_as(offsets)
    return torch.where(per_row(norms > radius, offsets), shrunk, offsets)


def steepest(gradient: Tensor, norm: str, room: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """The step of size 1 in `norm` that raises a linear function with this gradient most, (victim, batch, *shape).

    ℓ∞: sign g. ℓ2: g/‖g‖. ℓ1: one coordinate, the one with the largest |g|. A row whose gradient is zero or, in ℓ2 and
    ℓ1, holds a NaN does not step.

    Args:
        gradient: (victim, batch, *shape).
        room: for ℓ1 only: how far each coordinate may move down and up, in steps. The step then fills the coordinates
            in order of |g|, each as far as it may go, until its size is 1: the steepest step that stays in the box.
    """
    if norm == "linf":
        return gradient.sign()
    flat = gradient.flatten(2)
    if flat.shape[-1] == 0:
        return gradient
    largest = flat.abs().amax(-1, keepdim=True)
    moves = (largest > 0) & (largest < float("inf"))
    if norm == "l2":
        scaled = flat / largest
        scaled = scaled / torch.linalg.vector_norm(scaled, dim=-1, keepdim=True)
        return torch.where(moves, scaled, torch.zeros_like(scaled)).view_as(gradient)
    if room is None:
        top = flat.abs().argmax(-1, keepdim=True)
        step = torch.zeros_like(flat).scatter_(-1, top, flat.gather(-1, top).sign())
        return torch.where(moves, step, torch.zeros_like(step)).view_as(gradient)
    down, up = (side.flatten(2) for side in room)
    free = torch.where(flat > 0, up, torch.where(flat < 0, down, torch.zeros_like(flat)))
    order = torch.sort(flat.abs(), dim=-1, descending=True, stable=True).indices
    free = free.gather(-1, order)
    left = (1 - (free.cumsum(-1) - free)).clamp_(min=0)
    step = torch.zeros_like(flat).scatter_(-1, order, torch.minimum(free, left)) * flat.sign()
    return torch.where(moves, step, torch.zeros_like(step)).view_as(gradient)


def advance(
    x: Tensor, gradient: Tensor, origin: Tensor, rows: Tensor, step: Tensor, radius: Tensor, bounds: Bounds, norm: str
) -> Tensor:
    """One step of projected gradient ascent: x + μ · steepest(g), projected on the ball, clipped to the box.

    Args:
        x: (victim, width, *shape), where the examples are.
        gradient: like x, of the objective; its memory may be reused.
        origin: (n, *shape), the clean examples.
        rows: (victim, width) int64, each row's clean example: 0 … n − 1.
        step: (n,), μ of each clean example.
        radius: (n,), its ball's radius, at least 0.
        bounds: the box, or None. The clean examples lie in it, hence clipping to it cannot leave a ball around them.
    """
    if norm == "linf":
        return linf_step(x, gradient, origin, rows, step, radius, bounds)
    if norm == "l2":
        return l2_step(x, gradient, origin, rows, step, radius, bounds)
    return confine(ahead(x, gradient, step[rows], bounds, norm), origin[rows], radius[rows], bounds, norm)


def ahead(x: Tensor, gradient: Tensor, step: Tensor, bounds: Bounds, norm: str) -> Tensor:
    """x after its steepest step of size `step` (victim, batch), not projected; an ℓ1 step fills the room in the box."""
    stride, room = per_row(step, x), None
    if norm == "l1" and bounds is not None:
        unit = torch.where(stride > 0, stride, torch.ones_like(stride))
        room = ((x - bounds[0]) / unit, (bounds[1] - x) / unit)
    return x + stride * steepest(gradient, norm, room)


def confine(x: Tensor, clean: Tensor, radius: Tensor, bounds: Bounds, norm: str) -> Tensor:
    """x projected on the ball around `clean`, then clipped to the box.

    Args:
        x: (…, *shape) like `clean`; two leading axes, or one with radius (n,).
        radius: as many leading axes as x, at least 0.
    """
    if norm == "linf":
        reach = per_row(radius, x)
        x = torch.minimum(torch.maximum(x, clean - reach), clean + reach)
    elif radius.dim() == 1:
        x = clean + project((x - clean).unsqueeze(0), radius.unsqueeze(0), norm).squeeze(0)
    else:
        x = clean + project(x - clean, radius, norm)
    return x if bounds is None else x.clamp(*bounds)


def uniform(shape: tuple[int, ...], norm: str, like: Tensor, generator: torch.Generator) -> Tensor:
    """Uniform points of the unit balls, (n, *shape), drawn on the generator's device in float64 whatever `like` is.

    ℓ∞: independent coordinates. ℓ2: a Gaussian direction times u^(1/d). ℓ1: the first d of d + 1 exponential variables
    over their sum, with random signs.

    Args:
        shape: (n, *shape).
        like: gives dtype and device of the result.
    """
    n, device = shape[0], generator.device
    d = max(int(torch.Size(shape[1:]).numel()), 1)

    def draw(*sizes: int) -> Tensor:
        return torch.rand(*sizes, generator=generator, dtype=torch.float64, device=device)

    if norm == "linf":
        points = 2 * draw(n, d) - 1
    elif norm == "l2":
        normal = torch.randn(n, d, generator=generator, dtype=torch.float64, device=device)
        points = normal / torch.linalg.vector_norm(normal, dim=1, keepdim=True) * draw(n, 1) ** (1 / d)
    else:
        exponential = -torch.log1p(-draw(n, d + 1))
        sign = torch.where(draw(n, d) < 0.5, -1.0, 1.0)
        points = sign * exponential[:, :d] / exponential.sum(1, keepdim=True)
    return points.view(shape).to(like.device, like.dtype)
