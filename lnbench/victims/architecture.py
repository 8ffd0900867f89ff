"""What an architecture file provides, how it is found, and how its parameters start."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.resources
from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from lnbench.errors import ProtocolError, nearest

Parameters = dict[str, Tensor]
"""Named parameters of one network, or of a stack of them along a leading victim axis."""

BUFFER = "buffer:"
"""How the names of those parameters begin that no gradient reaches: running statistics, power iterations."""


class Architecture(Protocol):
    """A family of networks whose many members compute at once.

    `init` makes one network's parameters; `features` and `logits` take parameters stacked along a leading victim axis
    and inputs (victim or 1, batch, *shape). Weights of linear layers are (in, out), biases (1, out).
    """

    def init(self, shape: tuple[int, ...], num_classes: int, generator: torch.Generator) -> Parameters: ...

    def features(self, parameters: Parameters, inputs: Tensor) -> Tensor: ...

    def logits(self, parameters: Parameters, inputs: Tensor) -> Tensor: ...


@runtime_checkable
class Stateful(Protocol):
    """What an architecture has besides, if its networks compute otherwise in training than when trained.

    `features` and `logits` are those of trained networks. `training_logits` returns the logits of networks in training
    and the new values of their buffers (the parameters whose names begin with `BUFFER`), and leaves the old ones alone.
    Where `stacked` is false a stack does not compute at once, so its victims are best trained one after the other.
    """

    stacked: bool

    def training_logits(self, parameters: Parameters, inputs: Tensor) -> tuple[Tensor, Parameters]: ...


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
        raise ProtocolError(f"no architecture is called {name!r}; {nearest(name, known)}")
    cls = importlib.import_module(f"lnbench.victims.architectures.{name}").Architecture
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    values: dict[str, Any] = {}
    for key, given in (options or {}).items():
        if key not in fields:
            raise ProtocolError(f"the architecture {name} has no option {key!r}; {nearest(key, fields)}")
        made_by = fields[key].default_factory
        default = fields[key].default if made_by is dataclasses.MISSING else made_by()
        value: Any = tuple(given) if isinstance(given, list) else given
        if not _fits(value, default, fields[key].metadata.get("low", 0 if key == "padding" else 1)):
            raise ProtocolError(
                f"the architecture {name}: option {key}: expected something like {default!r}, got {value!r}."
            )
        values[key] = float(value) if isinstance(default, float) else value
    made: Architecture = cls(**values)
    return made


def _fits(value: Any, default: Any, low: int) -> bool:
    """Whether an option's value is of its default's kind: text, a table, a positive number, or whole numbers."""
    if isinstance(default, Mapping):
        return isinstance(value, Mapping)
    if isinstance(default, float):
        return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < float("inf")
    if type(value) is not type(default):
        return False
    numbers = value if isinstance(value, tuple) else (value,)
    if isinstance(default, str):
        return bool(value)
    return bool(numbers) and all(isinstance(v, int) and not isinstance(v, bool) and v >= low for v in numbers)


def initial(shape: tuple[int, ...], bound: float, generator: torch.Generator) -> Tensor:
    """Uniform in ±bound, float32, drawn on the CPU whatever the device of the training."""
    return (torch.rand(shape, generator=generator) * 2 - 1) * bound


def initial_linear(fan_in: int, fan_out: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Weight (in, out) and bias (1, out), uniform in ±1/√in as in `torch.nn.Linear`."""
    bound = fan_in**-0.5
    return initial((fan_in, fan_out), bound, generator), initial((1, fan_out), bound, generator)
