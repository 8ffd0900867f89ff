"""One ℓ2 PGD step, fused: normalise the gradient, step, project on the ball, clip to the box.

y = x + μ g/‖g‖₂ − c;  x ← clip(c + y · min(1, r/‖y‖₂)), each row with its own centre c, step μ and radius r. The
gradient is scaled by its largest entry before it is squared, so that tiny gradients do not underflow. A row whose
gradient is zero or not finite does not step. The box is met by clipping, which cannot leave the ball if c lies in it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lnbench.kernels.device import configuration, on_gpu, power_of_two

if TYPE_CHECKING:
    import triton.language as tl


def l2_step(
    x: Tensor,
    gradient: Tensor,
    origin: Tensor,
    place: Tensor,
    step: Tensor,
    radius: Tensor,
    bounds: tuple[float, float] | None,
) -> Tensor:
    """The rows after one step, (…, *shape); arguments as for `linf_step`."""
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
    rows = place.flatten()
    clean, reach = origin[rows].flatten(1), radius[rows].unsqueeze(1)
    offset = x.reshape(clean.shape) + step[rows].unsqueeze(1) * unit(gradient.reshape(clean.shape)) - clean
    size = torch.linalg.vector_norm(offset, dim=1, keepdim=True)
    moved = clean + offset * torch.where(size > reach, reach / size, torch.ones_like(size))
    return (moved if bounds is None else moved.clamp_(*bounds)).view(x.shape)


def unit(gradient: Tensor) -> Tensor:
    """Rows (n, d) scaled to ℓ2 norm 1; zero where a row is zero or not finite."""
    if gradient.shape[1] == 0:
        return gradient
    largest = gradient.abs().amax(1, keepdim=True)
    scaled = gradient / largest
    direction = scaled / torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
    return torch.where((largest > 0) & (largest < float("inf")), direction, torch.zeros_like(direction))


def launch(
    x: Tensor,
    gradient: Tensor,
    origin: Tensor,
    place: Tensor,
    step: Tensor,
    radius: Tensor,
    bounds: tuple[float, float] | None,
) -> Tensor:
    """Run the kernel; the result takes the gradient's memory. A row longer than a tile is passed over four times."""
    out, rows, size = gradient.contiguous(), place.numel(), origin[0].numel() if len(origin) else 0
    if rows == 0 or size == 0:
        return out
    tile, warps = configuration(x.device)
    columns = min(power_of_two(size), tile)
    lines = max(tile // columns, 1) if size <= columns else 1
    low, high = map(float, bounds or (0.0, 0.0))
    kernel()[(-(-rows // lines),)](
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
        WHOLE=size <= columns,
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
    def l2_step_kernel(
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
        WHOLE: tl.constexpr,
        ROWS: tl.constexpr,
        COLUMNS: tl.constexpr,
    ):
        row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        valid = (row < rows)[:, None]
        centre = tl.load(place + row, mask=row < rows, other=0)[:, None]
        reach = tl.load(radius + centre)
        stride = tl.load(step + centre)
        at = row.to(tl.int64)[:, None] * size
        column = tl.arange(0, COLUMNS)[None, :]
        infinity = float("inf")
        # The box in the tensors' own type: a bare constant would be float32 first.
        low = tl.full((1, 1), LOW, gradient.dtype.element_ty)
        high = tl.full((1, 1), HIGH, gradient.dtype.element_ty)
        if WHOLE:
            inside = valid & (column < size)
            g = tl.load(gradient + at + column, mask=inside, other=0.0)
            clean = tl.load(origin + centre * size + column, mask=inside, other=0.0)
            current = tl.load(x + at + column, mask=inside, other=0.0)
            largest = tl.max(tl.where(g == g, tl.abs(g), infinity), axis=1, keep_dims=True)
            moves = (largest > 0) & (largest < infinity)
            scaled = g / tl.where(moves, largest, 1.0)
            norm = tl.sqrt(tl.sum(scaled * scaled, axis=1, keep_dims=True))
            offset = current + tl.where(moves, stride * (scaled / tl.where(moves, norm, 1.0)), 0.0) - clean
            length = tl.sqrt(tl.sum(tl.where(inside, offset * offset, 0.0), axis=1, keep_dims=True))
            moved = clean + offset * tl.where(length > reach, reach / tl.where(length > 0, length, 1.0), 1.0)
            if BOUNDED:
                moved = tl.maximum(moved, low, propagate_nan=tl.PropagateNan.ALL)
                moved = tl.minimum(moved, high, propagate_nan=tl.PropagateNan.ALL)
            tl.store(gradient + at + column, moved, mask=inside)
        else:
            largest = tl.zeros((ROWS, 1), gradient.dtype.element_ty)
            for start in range(0, size, COLUMNS):
                inside = valid & (start + column < size)
                g = tl.load(gradient + at + start + column, mask=inside, other=0.0)
                largest = tl.maximum(largest, tl.max(tl.where(g == g, tl.abs(g), infinity), axis=1, keep_dims=True))
            moves = (largest > 0) & (largest < infinity)
            total = tl.zeros((ROWS, 1), gradient.dtype.element_ty)
            for start in range(0, size, COLUMNS):
                inside = valid & (start + column < size)
                scaled = tl.load(gradient + at + start + column, mask=inside, other=0.0) / tl.where(moves, largest, 1.0)
                total += tl.sum(scaled * scaled, axis=1, keep_dims=True)
            norm = tl.where(moves, tl.sqrt(total), 1.0)
            total = tl.zeros((ROWS, 1), gradient.dtype.element_ty)
            for start in range(0, size, COLUMNS):
                inside = valid & (start + column < size)
                scaled = tl.load(gradient + at + start + column, mask=inside, other=0.0) / tl.where(moves, largest, 1.0)
                clean = tl.load(origin + centre * size + start + column, mask=inside, other=0.0)
                offset = tl.load(x + at + start + column, mask=inside, other=0.0)
                offset = offset + tl.where(moves, stride * (scaled / norm), 0.0) - clean
                total += tl.sum(tl.where(inside, offset * offset, 0.0), axis=1, keep_dims=True)
            length = tl.sqrt(total)
            shrink = tl.where(length > reach, reach / tl.where(length > 0, length, 1.0), 1.0)
            for start in range(0, size, COLUMNS):
                inside = valid & (start + column < size)
                scaled = tl.load(gradient + at + start + column, mask=inside, other=0.0) / tl.where(moves, largest, 1.0)
                clean = tl.load(origin + centre * size + start + column, mask=inside, other=0.0)
                offset = tl.load(x + at + start + column, mask=inside, other=0.0)
                offset = offset + tl.where(moves, stride * (scaled / norm), 0.0) - clean
                moved = clean + offset * shrink
                if BOUNDED:
                    moved = tl.maximum(moved, low, propagate_nan=tl.PropagateNan.ALL)
                    moved = tl.minimum(moved, high, propagate_nan=tl.PropagateNan.ALL)
                tl.store(gradient + at + start + column, moved, mask=inside)

    return l2_step_kernel
