"""Clean networks, trained once: experiments on the same sample, with the same network and recipe, share them.

They are kept in the store under the contents of everything that they depend on, whatever experiment trained them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from lnbench.evaluation.code_hash import module_sha256
from lnbench.evaluation.environment import environment
from lnbench.evaluation.store import Store
from lnbench.protocol import sha256
from lnbench.thesis import networks
from lnbench.victims import Victims

_KIND = "clean-networks"


def clean(
    cell: networks.Cell,
    sample: networks.Sample,
    report: Callable[[float], None] = lambda share: None,
    *,
    num_classes: int = 10,
) -> Victims:
    """The network trained on a sample's own labels, a stack of one: from the store, or trained and put there.

    Args:
        cell, sample, report, num_classes: as for `networks.train`.

    Raises:
        UnavailableError: if the cell's device is not here, or the store cannot be read or written.
    """
    device = networks.device_of(cell)
    store, name = Store(), _name(cell, sample, num_classes)
    kept = store.get(_KIND, name)
    if kept is None:
        victims = networks.train(cell, sample, sample.labels, report, num_classes=num_classes)
        store.put(_KIND, name, {key: _text(value) for key, value in victims.parameters.items()})
        return victims
    parameters = {key: _tensor(value).to(device) for key, value in kept.items()}
    return Victims(networks.architecture_of(cell), parameters)


def _name(cell: networks.Cell, sample: networks.Sample, num_classes: int) -> dict[str, Any]:
    """Everything that the network depends on."""
    architecture = networks.named(cell)
    return {
        "architecture": list(architecture),
        "recipe": {key: cell.get(key) for key in ("steps", "batch", "rate", "recipe")},
        "inputs": sha256(np.ascontiguousarray(sample.inputs).tobytes()),
        "labels": sha256(np.ascontiguousarray(sample.labels).tobytes()),
        "shape": list(sample.inputs.shape),
        "seed": sample.seed,
        "bounds": list(sample.bounds) if sample.bounds else None,
        "classes": num_classes,
        "code": [module_sha256(f"lnbench.victims{part}") for part in ("", f".architectures.{architecture[0]}")],
        "environment": environment(cell.get("device", "cpu"))["id"],
    }


def _text(value: torch.Tensor) -> dict[str, Any]:
    array = value.detach().float().cpu().numpy()
    return {"shape": list(array.shape), "float32": base64.b64encode(array.tobytes()).decode()}


def _tensor(text: dict[str, Any]) -> torch.Tensor:
    values = np.frombuffer(base64.b64decode(text["float32"]), np.float32)
    return torch.from_numpy(values.reshape(text["shape"]).copy())
