"""Cross-entropy of stacked victims with its gradient, in one pass over the logits.

loss = log Σ exp z − z_y;  gradient = softmax(z) − onehot(y), the gradient of the sum of all losses. Logits that differ
by more than the type's range are handled by subtracting the largest; a NaN logit makes its row NaN.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lnbench.kernels.device import configuration, on_gpu, power_of_two

if TYPE_CHECKING:
    import triton.language as tl


def cross_entropy(logits: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Losses (…) and their gradient (…, class).

    Args:
        logits: (…, class).
        classes: (…) int64 in 0 … class − 1.
    """
    if on_gpu(logits, classes):
        return launch(logits, classes)
    return reference(logits, classes)


def reference(logits: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """The same in PyTorch: the CPU path, and what the kernel is tested against."""
    # Classes first: the reduction then runs over whole rows of numbers, ten times as fast for ten classes.
    rows = logits.reshape(-1, logits.shape[-1]).t().contiguous()
    own = classes.reshape(1, -1)
    logarithm = torch.log_softmax(rows, 0)
    gradient = logarithm.exp()
    gradient.scatter_add_(0, own, gradient.new_full(own.shape, -1.0))
    losses = -logarithm.gather(0, own).view(classes.shape)
    return losses, gradient.t().reshape(logits.shape)


def launch(logits: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
    """Run the kernel. A row longer than a tile is passed over three times."""
    losses, gradient = torch.empty_like(classes, dtype=logits.dtype), torch.empty_like(logits).contiguous()
    rows, size = classes.numel(), logits.shape[-1]
    if not logits.numel():
        return losses, gradient
    tile, warps = configuration(logits.device)
    columns = min(power_of_two(size), tile)
    lines = max(tile // columns, 1) if size <= columns else 1
    kernel()[(-(-rows // lines),)](
        logits.contiguous(),
        classes.contiguous(),
        losses,
        gradient,
        rows,
        size,
        WHOLE=size <= columns,
        ROWS=lines,
        COLUMNS=columns,
        num_warps=warps,
    )
    return losses, gradient


@functools.cache
def kernel() -> Any:
    """The Triton kernel; importing Triton is put off until here."""
    global tl
    import triton
    import triton.language as tl

    @triton.jit
    def cross_entropy_kernel(
        logits,
        classes,
        losses,
        gradient,
        rows,
        size,
        WHOLE: tl.constexpr,
        ROWS: tl.constexpr,
        COLUMNS: tl.constexpr,
    ):
        row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        valid = row < rows
        own = tl.load(classes + row, mask=valid, other=0)
        at = row.to(tl.int64)[:, None] * size
        column = tl.arange(0, COLUMNS)[None, :]
        lowest = float("-inf")
        chosen = tl.load(logits + row.to(tl.int64) * size + own, mask=valid, other=0.0)
        if WHOLE:
            inside = valid[:, None] & (column < size)
            z = tl.load(logits + at + column, mask=inside, other=lowest)
            largest = tl.max(z, axis=1)
            largest = tl.where(valid, largest, 0.0)
            share = tl.exp(z - largest[:, None])
            total = tl.where(valid, tl.sum(share, axis=1), 1.0)
            hot = tl.where(column == own[:, None], 1.0, 0.0)
            tl.store(gradient + at + column, share / total[:, None] - hot, mask=inside)
        else:
            largest = tl.full((ROWS,), lowest, logits.dtype.element_ty)
            for start in range(0, size, COLUMNS):
                inside = valid[:, None] & (start + column < size)
                largest = tl.maximum(
                    largest, tl.max(tl.load(logits + at + start + column, mask=inside, other=lowest), 1)
                )
            largest = tl.where(valid, largest, 0.0)
            total = tl.zeros((ROWS,), logits.dtype.element_ty)
            for start in range(0, size, COLUMNS):
                inside = valid[:, None] & (start + column < size)
                z = tl.load(logits + at + start + column, mask=inside, other=lowest)
                total += tl.sum(tl.exp(z - largest[:, None]), axis=1)
            total = tl.where(valid, total, 1.0)
            for start in range(0, size, COLUMNS):
                inside = valid[:, None] & (start + column < size)
                z = tl.load(logits + at + start + column, mask=inside, other=lowest)
                hot = tl.where(start + column == own[:, None], 1.0, 0.0)
                share = tl.exp(z - largest[:, None]) / total[:, None] - hot
                tl.store(gradient + at + start + column, share, mask=inside)
        tl.store(losses + row, tl.log(total) + largest - chosen, mask=valid)

    return cross_entropy_kernel
