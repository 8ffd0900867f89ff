"""One ℓ∞ PGD step, fused: sign, step, project on the ball, clip to the box.

x ← clip(min(max(x + μ · sign g, c − r), c + r)), each row with its own centre c, step μ and radius r. A NaN gradient
does not move; a NaN input stays NaN. On a GPU each element of x, g and c is read once and one is written.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from torch import Tensor

from lnbench.kernels.device import configuration, on_gpu, power_of_two

if TYPE_CHECKING:
    import triton.language as tl


def linf_step(
    x: Tensor,
    gradient: Tensor,
    origin: Tensor,
    place: Tensor,
    step: Tensor,
    radius: Tensor,
    bounds: tuple[float, float] | None,
) -> Tensor:
    """The rows after one step, (…, *shape).

    Args:
        x: (…, *shape), the current rows.
        gradient: like x, the objective's; its memory may be overwritten.
        origin: (n, *shape), centres of the balls.
        place: (…) int64, each row's centre: 0 … n − 1.
        step: (n,), μ of each centre.
        radius: (n,), r of each centre, at least 0.
        bounds: the box, or None.
    """
    if on_gpu(x, gradient, origin, place, step, radius):
        return launch(x, gradient, origin, place, step, radius, bounds)
    return reference(x, gradient, origin, place, step, radius, bounds)


def reference(
    x: Tensor,
    gradient: Tensor,
    origin: Tensor,
    place: Tensor,
    step: Tensor,
    radius: Tensor,
    bounds: tuple[float, float] | None,
) -> Tensor:
    """The same in PyTorch: the CPU path, and what the kernel is tested against."""
    return between(x, gradient, per_row(step[place], x), *fence(origin, place, radius, bounds))


def fence(origin: Tensor, place: Tensor, radius: Tensor, bounds: tuple[float, float] | None) -> tuple[Tensor, Tensor]:
    """Lowest and highest value of every coordinate in ball and box, (…, *shape): the same for every step of a row."""
    clean = origin[place]
    reach = per_row(radius[place], clean)
    low, high = clean - reach, clean.add_(reach)
    return (low, high) if bounds is None else (low.clamp_(*bounds), high.clamp_(*bounds))


def between(x: Tensor, gradient: Tensor, step: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """The step, with the fence built already: to clamp to the ball, then to the box, is to clamp to what they share."""
    return gradient.sign().mul_(step).add_(x).clamp_(low, high)


def per_row(values: Tensor, like: Tensor) -> Tensor:
    """(…) values shaped to broadcast over `like`, (…, *shape)."""
    return values.view(*values.shape, *[1] * (like.dim() - values.dim()))


def launch(
    x: Tensor,
    gradient: Tensor,
    origin: Tensor,
    place: Tensor,
    step: Tensor,
    radius: Tensor,
    bounds: tuple[float, float] | None,
) -> Tensor:
    """Run the kernel; the result takes the gradient's memory."""
    out, rows, size = gradient.contiguous(), place.numel(), origin[0].numel() if len(origin) else 0
    if rows == 0 or size == 0:
        return out
    tile, warps = configuration(x.device)
    columns = min(power_of_two(size), tile)
    lines = max(tile // columns, 1)
    low, high = map(float, bounds or (0.0, 0.0))
    grid = (-(-rows // lines), -(-size // columns))
    kernel()[grid](
        x.contiguous(),
        out,
        origin.contiguous(),
        place.contiguous(),
        step.contiguous(),
        radius.contiguous(),
        rows,
        size,
        LOW=low,
        HIGH=high,
        BOUNDED=bounds is not None,
        ROWS=lines,
        COLUMNS=columns,
        num_warps=warps,
    )
    return out


@functools.cache
def kernel() -> Any:
    """The Triton kernel; importing Triton is put off until here."""
    global tl
    import triton
    import triton.language as tl

    @triton.jit
    def linf_step_kernel(
        x,
        gradient,
        origin,
        place,
        step,
        radius,
        rows,
        size,
        LOW: tl.constexpr,
        HIGH: tl.constexpr,
        BOUNDED: tl.constexpr,
        ROWS: tl.constexpr,
        COLUMNS: tl.constexpr,
    ):
        row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
        inside = (row < rows)[:, None] & (column < size)[None, :]
        centre = tl.load(place + row, mask=row < rows, other=0)
        at = row.to(tl.int64)[:, None] * size + column[None, :]
        g = tl.load(gradient + at, mask=inside, other=0.0)
        clean = tl.load(origin + centre[:, None] * size + column[None, :], mask=inside, other=0.0)
        reach = tl.load(radius + centre)[:, None]
        sign = tl.where(g > 0, 1.0, tl.where(g < 0, -1.0, 0.0)).to(g.dtype)
        moved = tl.load(x + at, mask=inside, other=0.0) + tl.load(step + centre)[:, None] * sign
        moved = tl.maximum(moved, clean - reach, propagate_nan=tl.PropagateNan.ALL)
        moved = tl.minimum(moved, clean + reach, propagate_nan=tl.PropagateNan.ALL)
        if BOUNDED:  # in the tensors' own type: a bare constant would be float32 first
            moved = tl.maximum(moved, tl.full((1, 1), LOW, g.dtype), propagate_nan=tl.PropagateNan.ALL)
            moved = tl.minimum(moved, tl.full((1, 1), HIGH, g.dtype), propagate_nan=tl.PropagateNan.ALL)
        tl.store(gradient + at, moved, mask=inside)

    return linf_step_kernel
