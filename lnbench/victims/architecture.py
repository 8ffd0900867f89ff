"""What an architecture file provides, how it is found, and how its parameters start."""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.resources
from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor

from lnbench.errors import ProtocolError

Parameters = dict[str, Tensor]
"""Named parameters of one network, or of a stack of them along a leading victim axis."""


class Architecture(Protocol):
    """A family of networks whose many members compute at once.

    `init` makes one network's parameters; `features` and `logits` take parameters stacked along a leading victim axis
    and inputs (victim or 1, batch, *shape). Weights of linear layers are (in, out), biases (1, out).
    """

    def init(self, shape: tuple[int, ...], num_classes: int, generator: torch.Generator) -> Parameters: ...

    def features(self, parameters: Parameters, inputs: Tensor) -> Tensor: ...

    def logits(self, parameters: Parameters, inputs: Tensor) -> Tensor: ...


def architecture(name: str, options: Mapping[str, Any] | None = None) -> Architecture:
    """The architecture of this name with these options.

    Raises:
        ProtocolError: if there is no such architecture or option, with the nearest valid names.
    """
    known = sorted(
        f.name.removesuffix(".py")
        for f in importlib.resources.files("lnbench.victims.architectures").iterdir()
        if f.name.endswith(".py") and not f.name.startswith("_")
    )
    if name not in known:
        raise ProtocolError(f"no architecture is called {name!r}; {_nearest(name, known)}")
    cls = importlib.import_module(f"lnbench.victims.architectures.{name}").Architecture
    fields = {f.name: f for f in dataclasses.fields(cls)}
    values = {}
    for key, value in (options or {}).items():
        if key not in fields:
            raise ProtocolError(f"the architecture {name} has no option {key!r}; {_nearest(key, list(fields))}")
        default = fields[key].default
        value = tuple(value) if isinstance(value, list) else value
        numbers = value if isinstance(value, tuple) else (value,)
        low = 0 if key == "padding" else 1
        whole = all(isinstance(v, int) and not isinstance(v, bool) and v >= low for v in numbers)
        if type(value) is not type(default) or not numbers or not whole:
            raise ProtocolError(
                f"the architecture {name}: option {key}: expected something like {default!r}, got {value!r}."
            )
        values[key] = value
    made: Architecture = cls(**values)
    return made


def initial(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    """Uniform in ±bound, float32, drawn on the CPU whatever the device of the training."""
    return (torch.rand(shape, generator=generator) * 2 - 1) * bound


def initial_linear(fan_in: int, fan_out: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Weight (in, out) and bias (1, out), uniform in ±1/√in as in `torch.nn.Linear`."""
    bound = fan_in**-0.5
    return initial((fan_in, fan_out), bound, generator), initial((1, fan_out), bound, generator)


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=2, cutoff=0.4)
    return f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known)}."
