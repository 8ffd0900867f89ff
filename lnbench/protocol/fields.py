"""Documents read into frozen dataclasses: types, ranges and choices are the fields', every mistake gets a sentence."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from lnbench.errors import ProtocolError


def number(low: float | None = None, high: float | None = None, open_low: bool = False, **kwargs: Any) -> Any:
    """A dataclass field with a range; `open_low` excludes `low` itself."""
    return field(metadata={"low": low, "high": high, "open": open_low}, **kwargs)


def one_of(*choices: str, **kwargs: Any) -> Any:
    """A dataclass field with a list of valid values."""
    return field(metadata={"choices": choices}, **kwargs)


def read(cls: Any, table: Any, where: str) -> Any:
    """An instance of the dataclass `cls` from the keys of a parsed table.

    Raises:
        ProtocolError: naming the key, what was expected and what came.
    """
    if not isinstance(table, Mapping):
        raise ProtocolError(f"{where}: expected a table, got {show(table)}.")
    fields = {f.name: f for f in dataclasses.fields(cls) if f.name != "document"}
    types_of = typing.get_type_hints(cls)
    for key in table:
        if key not in fields:
            near = difflib.get_close_matches(str(key), list(fields), n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it may hold: {', '.join(fields)}."
            raise ProtocolError(f"{where}: unknown key {key!r}; {hint}")
    values = {}
    for name, f in fields.items():
        if name in table:
            value = _convert(types_of[name], table[name], f"{where}: {name}")
            _check_range(f.metadata, value, f"{where}: {name}")
            values[name] = value
        elif f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING:
            raise ProtocolError(f"{where}: the key {name!r} is missing.")
    return cls(**values)


def check_fields(made: Any, where: str) -> None:
    """Check the fields of a part that was made by hand as those read from a file are.

    Raises:
        ProtocolError: naming the field, what was expected and what came.
    """
    types_of = typing.get_type_hints(type(made))
    for f in dataclasses.fields(made):
        value = getattr(made, f.name)
        if value is not None and not dataclasses.is_dataclass(value):
            _check_range(f.metadata, _convert(types_of[f.name], value, f"{where}: {f.name}"), f"{where}: {f.name}")


def _convert(kind: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _convert(next(a for a in args if a is not type(None)), value, where)
    if dataclasses.is_dataclass(kind):
        return read(kind, value, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise ProtocolError(f"{where}: expected a list, got {show(value)}.")
        kinds = [args[0]] * len(value) if args[-1] is Ellipsis else list(args)
        if len(kinds) != len(value):
            raise ProtocolError(f"{where}: expected {len(kinds)} values, got {show(value)}.")
        return tuple(_convert(k, v, f"{where}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ProtocolError(f"{where}: expected a number of at most 63 bits, got one of {value.bit_length()}.")
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    expected = Mapping if origin is not None else kind
    if not isinstance(value, expected) or (isinstance(value, bool) and kind is not bool):
        raise ProtocolError(f"{where}: expected {getattr(expected, '__name__', expected)}, got {show(value)}.")
    return value


def _check_range(meta: Mapping[str, Any], value: Any, where: str) -> None:
    if "choices" in meta and value not in meta["choices"]:
        raise ProtocolError(f"{where}: expected one of {', '.join(meta['choices'])}, got {show(value)}.")
    if isinstance(value, (int, float)) and not isinstance(value, bool) and "low" in meta:
        low, high = meta["low"], meta["high"]
        if low is not None and not (value > low if meta["open"] else value >= low):
            raise ProtocolError(f"{where}: expected {'more than' if meta['open'] else 'at least'} {low}, got {value}.")
        if high is not None and not value <= high:
            raise ProtocolError(f"{where}: expected at most {high}, got {value}.")
        if value != value or value in (float("inf"), float("-inf")):
            raise ProtocolError(f"{where}: expected a finite number, got {value}.")


def show(value: Any) -> str:
    """A value as a message quotes it: its type and at most 60 characters."""
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '…'}"
