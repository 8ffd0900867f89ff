"""When a kernel runs, and with which launch configuration: fixed per device model, never chosen by timing.

A choice made by a stopwatch could differ between two runs on one machine, and with it the order of a sum and the last
bit of a result.
"""

from __future__ import annotations

import torch
from torch import Tensor

TILE = {(9, 0): 4096, (8, 0): 2048}
"""Elements one program handles at a time, by compute capability."""
TILE_ELSEWHERE = 1024
WARPS = {(9, 0): 8, (8, 0): 8}
WARPS_ELSEWHERE = 4

DTYPES = (torch.float32, torch.float64)
"""What the kernels compute in; tensors of any other type take the PyTorch reference."""


def on_gpu(*tensors: Tensor) -> bool:
    """Whether a call on these tensors goes to its Triton kernel: all on one CUDA device, in a supported type."""
    floating = [t for t in tensors if t.is_floating_point()]
    return all(t.is_cuda for t in tensors) and all(t.dtype in DTYPES for t in floating)


def configuration(device: torch.device) -> tuple[int, int]:
    """Elements per program and warps per program on this device."""
    if device.type != "cuda":
        return TILE_ELSEWHERE, WARPS_ELSEWHERE
    capability = torch.cuda.get_device_capability(device)
    return TILE.get(capability, TILE_ELSEWHERE), WARPS.get(capability, WARPS_ELSEWHERE)


def power_of_two(n: int) -> int:
    """The smallest power of two that is at least n."""
    return 1 << max(n - 1, 0).bit_length()
