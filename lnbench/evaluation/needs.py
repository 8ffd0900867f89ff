"""What a cluster is to reserve for a cell: a share of a GPU and memory, by our own count of what training holds."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from typing import Any

from lnbench.protocol import Track

_PROCESS = 768 << 20
"""Bytes that a worker process holds besides tensors: Python, PyTorch and its libraries."""
_CONTEXT = 1 << 30
"""Bytes of a GPU that CUDA's context and the allocator's rounding take."""
_GPU = 80 << 30
"""Bytes of a GPU, where none is here to be asked."""
_SHARES = 20
"""Shares of a GPU are multiples of one twentieth."""


def of_cell(function: str, cell: Mapping[str, Any]) -> dict[str, float]:
    """What Ray is to reserve for a cell: `memory` in bytes and, if it trains on a GPU, `num_gpus`, a share of one."""
    if "places" in cell:
        on_gpu = cell["device"] == "cuda"
        size = training_bytes(json.dumps(cell["track"], sort_keys=True), cell["victim"], len(cell["places"]))
        share = min(1.0, math.ceil(_SHARES * (size + _CONTEXT) / _gpu_bytes()) / _SHARES)
        return {"memory": float(_PROCESS if on_gpu else _PROCESS + size), **({"num_gpus": share} if on_gpu else {})}
    if "source" in cell:  # a submission's guest
        return {"memory": float(Track.from_document(dict(cell["track"])).limits.memory_gib * 2**30)}
    return {}


@functools.cache
def training_bytes(track: str, victim: str, victims: int) -> int:
    """Bytes of the tensors of a stack of victims in training; see `lnbench.victims.memory.predicted_bytes`.

    Args:
        track: its document as JSON.
        victim: its name in the track.
        victims: how many train at once.
    """
    from lnbench import data
    from lnbench.victims import architecture, predicted_bytes

    of = Track.from_document(json.loads(track))
    spec, split = of.spec(victim), data.load(of, 0)
    shape = tuple(split.inputs.shape[1:])
    family = architecture(spec.architecture, spec.options)
    return predicted_bytes(family, spec.recipe, shape, of.data.classes, victims, len(split.labels), len(split.labels))


@functools.cache
def _gpu_bytes() -> int:
    """Memory of a GPU of this machine, else what a data centre's has."""
    import torch

    return int(torch.cuda.get_device_properties(0).total_memory) if torch.cuda.is_available() else _GPU
