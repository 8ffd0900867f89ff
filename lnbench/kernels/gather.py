"""Training batches from resident data: every victim's own examples, optionally shifted and mirrored, in one pass.

out[v, b] = inputs[index[v, b]], moved down and right by shift[v, b] pixels (zeros come in) and mirrored where
flip[v, b]: the usual augmentation of CIFAR (pad, crop, flip). What is random is drawn by the caller; the
kernel only moves data.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from lnbench.kernels.device import configuration, on_gpu, power_of_two

if TYPE_CHECKING:
    import triton.language as tl


def gather(inputs: Tensor, index: Tensor, shift: Tensor | None = None, flip: Tensor | None = None) -> Tensor:
    """Batches (victim, batch, *shape).

    Args:
        inputs: (n, *shape); (n, channel, height, width) with a shift or flips.
        index: (victim, batch) int64 in 0 … n − 1.
        shift: (victim, batch, 2) int64: rows down and columns right, before mirroring; or None.
        flip: (victim, batch) bool: mirror left and right; or None.

    Raises:
        ValueError: if shapes do not fit or an index is out of range.
    """
    augmented = shift is not None or flip is not None
    if augmented and inputs.dim() != 4:
        raise ValueError(f"only images (n, channel, height, width) are shifted or mirrored; got {tuple(inputs.shape)}")
    if shift is not None and shift.shape != (*index.shape, 2):
        raise ValueError(f"a shift holds two numbers for each of {tuple(index.shape)}; got {tuple(shift.shape)}")
    if flip is not None and flip.shape != index.shape:
        raise ValueError(f"flips are one for each of {tuple(index.shape)}; got {tuple(flip.shape)}")
    if augmented and on_gpu(inputs, index):
        return launch(inputs, index, shift, flip)
    return reference(inputs, index, shift, flip)


def reference(inputs: Tensor, index: Tensor, shift: Tensor | None = None, flip: Tensor | None = None) -> Tensor:
    """The same in PyTorch: the CPU path, and what the kernel is tested against."""
    if shift is None and flip is None:
        return inputs.index_select(0, index.flatten()).view(*index.shape, *inputs.shape[1:])
    _, channels, height, width = inputs.shape
    row = torch.arange(height, device=inputs.device).expand(*index.shape, -1)
    column = torch.arange(width, device=inputs.device).expand(*index.shape, -1)
    if flip is not None:
        column = torch.where(flip.unsqueeze(-1), width - 1 - column, column)
    if shift is not None:
        row, column = row - shift[..., :1], column - shift[..., 1:]
    inside = ((row >= 0) & (row < height)).unsqueeze(-1) & ((column >= 0) & (column < width)).unsqueeze(-2)
    pixels = row.clamp(0, height - 1).unsqueeze(-1) * width + column.clamp(0, width - 1).unsqueeze(-2)
    pixels = pixels.flatten(-2).unsqueeze(-2).expand(*index.shape, channels, -1)
    moved = inputs[index].flatten(-2).gather(-1, pixels).view(*index.shape, channels, height, width)
    return moved * inside.unsqueeze(-3)


def launch(inputs: Tensor, index: Tensor, shift: Tensor | None = None, flip: Tensor | None = None) -> Tensor:
    """Run the kernel: each output element is read and written once."""
    _, channels, height, width = inputs.shape
    out = torch.empty(*index.shape, channels, height, width, dtype=inputs.dtype, device=inputs.device)
    size = channels * height * width
    if not out.numel():
        return out
    columns = min(power_of_two(size), configuration(inputs.device)[0])
    place = index.contiguous()
    kernel()[(index.numel(), -(-size // columns))](
        inputs.contiguous(),
        place,
        place if shift is None else shift.contiguous(),
        place if flip is None else flip.to(torch.int64).contiguous(),
        out,
        size,
        height,
        width,
        SHIFTED=shift is not None,
        FLIPPED=flip is not None,
        COLUMNS=columns,
        num_warps=configuration(inputs.device)[1],
    )
    return out


@functools.cache
def kernel() -> Any:
    """The Triton kernel; importing Triton is put off until here."""
    global tl
    import triton
    import triton.language as tl

    @triton.jit
    def gather_kernel(
        inputs,
        index,
        shift,
        flip,
        out,
        size,
        height,
        width,
        SHIFTED: tl.constexpr,
        FLIPPED: tl.constexpr,
        COLUMNS: tl.constexpr,
    ):
        example = tl.program_id(0)
        element = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
        source = tl.load(index + example)
        plane = element // (height * width)
        row = element // width % height
        column = element % width
        if FLIPPED:
            column = tl.where(tl.load(flip + example) != 0, width - 1 - column, column)
        if SHIFTED:
            row = row - tl.load(shift + 2 * example)
            column = column - tl.load(shift + 2 * example + 1)
        inside = (element < size) & (row >= 0) & (row < height) & (column >= 0) & (column < width)
        value = tl.load(inputs + source * size + (plane * height + row) * width + column, mask=inside, other=0.0)
        tl.store(out + example.to(tl.int64) * size + element, value, mask=element < size)

    return gather_kernel
