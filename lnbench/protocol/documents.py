"""Documents from outside, read into typed structs by msgspec; every mistake gets one sentence.

The types say what a document may hold: `Part` is the base of its tables, `Meta` bounds its values. msgspec checks and
converts them; this module only says, where it refuses, what is wrong, in which place, what was expected and what came.
"""

from __future__ import annotations

import datetime
import inspect
import json
import math
import re
import sys
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta

from lnbench.errors import ProtocolError, nearest

T = TypeVar("T")

LARGEST = 2**53
"""The largest integer that every JSON reader keeps exactly."""

Count = Annotated[int, Meta(ge=0, le=LARGEST)]
AtLeastOne = Annotated[int, Meta(ge=1, le=LARGEST)]
AtLeastTwo = Annotated[int, Meta(ge=2, le=LARGEST)]
Whole = Annotated[int, Meta(ge=-LARGEST, le=LARGEST)]
Finite = Annotated[float, Meta(ge=-sys.float_info.max, le=sys.float_info.max)]
NotNegative = Annotated[float, Meta(ge=0, le=sys.float_info.max)]
Positive = Annotated[float, Meta(gt=0, le=sys.float_info.max)]
Share = Annotated[float, Meta(ge=0, le=1)]


def whole(pattern: str) -> str:
    """The pattern of a text that matches as a whole, for Python and for JSON Schema; `$` would let a line break by."""
    return rf"^(?:{pattern})(?![\s\S])"


Sha256 = Annotated[str, Meta(pattern=whole("[0-9a-f]{64}"), max_length=64, description="64 hexadecimal digits")]


_NAMES = {
    int: "an integer",
    float: "a number",
    bool: "true or false",
    datetime.date: "a day like 2026-01-31",
    type(None): "null",
}


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of a document: its fields are the keys it has.

    A field is read as an attribute, or by a name that is chosen at run time: `score.drop_pp`, `score["drop_pp"]`.
    """

    def __getitem__(self, name: str) -> Any:
        if name not in self.__struct_fields__:
            raise KeyError(name)
        return getattr(self, name)

    def replaced(self, **changes: Any) -> Self:
        """A copy with some fields changed, as `recipe.replaced(steps=100)`."""
        return msgspec.structs.replace(self, **changes)


class WrongError(ValueError):
    """A document is not what its type says: one sentence with the place, what was expected and what came."""


def read(document: Any, kind: type[T], path: str = "") -> T:
    """A value from JSON or TOML as a value of the type.

    Args:
        path: of the value in its document, for the sentence.

    Raises:
        WrongError: naming the first place that is wrong.
    """
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError:
        raise _wrong(document, kind, path) from None
    except UnicodeEncodeError:
        raise WrongError("it holds half of a surrogate pair, which is not text.") from None


def check_fields(made: Part, where: str) -> None:
    """Check the fields of a part that was made by hand as those read from a file are.

    Raises:
        ProtocolError: naming the field, what was expected and what came.
    """
    for field in msgspec.structs.fields(made):
        try:
            read(getattr(made, field.name), field.type)
        except WrongError as wrong:
            raise ProtocolError(f"{where}: {field.name}: {wrong}") from None


def json_schema(kind: type[Part], title: str) -> bytes:
    """The JSON Schema (2020-12) of a type, as a file: sorted keys, one space a level, one trailing newline."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(kind), "title": title}
    for described in schema["$defs"].values():
        described["description"] = inspect.cleandoc(described["description"])
    return (json.dumps(schema, indent=1, sort_keys=True) + "\n").encode("ascii")


def difference(came: Any, expected: Any, tolerance: float = 0.0) -> tuple[str, Any, Any] | None:
    """The first place where two JSON values differ, and what each has there; None if they are equal.

    Args:
        tolerance: the most by which two decimal numbers may differ.
    """
    if isinstance(came, float) and isinstance(expected, float):
        return None if abs(came - expected) <= tolerance else ("", came, expected)
    parts: Iterator[tuple[str, Any, Any]]
    if isinstance(came, dict) and isinstance(expected, dict) and came.keys() == expected.keys():
        parts = ((f".{key}", came[key], value) for key, value in expected.items())
    elif isinstance(came, (list, tuple)) and isinstance(expected, (list, tuple)) and len(came) == len(expected):
        parts = ((f"[{i}]", a, b) for i, (a, b) in enumerate(zip(came, expected, strict=True)))
    else:
        return None if type(came) is type(expected) and came == expected else ("", came, expected)
    for step, a, b in parts:
        if (place := difference(a, b, tolerance)) is not None:
            return step + place[0], *place[1:]
    return None


def show(value: Any) -> str:
    """A value as a message quotes it: ASCII, at most 80 characters."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)} values"
    if isinstance(value, Mapping):
        return f"a table of {len(value)} keys"
    if isinstance(value, int) and not -(10**30) < value < 10**30:
        return "an integer of more than 30 digits"
    shown = ascii(value[:100] if isinstance(value, (str, bytes)) else value)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def _wrong(value: Any, kind: Any, path: str) -> WrongError:
    """The first thing that is wrong with a value that msgspec does not take for the type."""
    kind, meta = _bare(kind)
    choices = _choices(kind)
    if len(choices) == 1 and choices[0] is not kind and value is not None:
        return _wrong(value, choices[0], path)
    where = f"{path.lstrip('.')}: " if path else ""
    if _is_table(kind) and isinstance(value, Mapping):
        fields = {field.name: field for field in msgspec.structs.fields(kind)}
        for key in value:
            if key not in fields:
                return WrongError(f"{where}unknown key {show(key)}; {nearest(str(key)[:80], fields)}")
        for name, field in fields.items():
            if field.required and name not in value:
                return WrongError(f"{where}the key {name!r} is missing.")
    for step, part, part_kind in _parts(value, kind):
        if not _fits(part, part_kind):
            return _wrong(part, part_kind, path + step)
    return WrongError(f"{where}expected {_words(value, kind, meta)}, got {show(value)}.")


def _parts(value: Any, kind: Any) -> Iterator[tuple[str, Any, Any]]:
    """The parts of a value that has some: the step to it, the part, and its type."""
    origin, args = get_origin(kind), get_args(kind)
    if _is_table(kind) and isinstance(value, Mapping):
        for field in msgspec.structs.fields(kind):
            if field.name in value:
                yield f".{field.name}", value[field.name], field.type
    elif origin in (list, tuple) and isinstance(value, (list, tuple)):
        fixed = origin is tuple and args[-1] is not Ellipsis
        if not fixed or len(args) == len(value):
            kinds = args if fixed else (args[0],) * len(value)
            for i, (part, part_kind) in enumerate(zip(value, kinds, strict=True)):
                yield f"[{i}]", part, part_kind
    elif origin is dict and isinstance(value, Mapping):
        for key, part in value.items():
            plain = isinstance(key, str) and re.fullmatch(r"[\w -]{1,80}", key, re.ASCII)
            step = f".{key}" if plain else f"[{show(key)}]"
            yield step, key, args[0]
            yield step, part, args[1]


def _fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return False
    return True


def _bare(kind: Any) -> tuple[Any, Meta]:
    """A type without its bounds, and its bounds."""
    if get_origin(kind) is Annotated:
        inner, meta = get_args(kind)
        return inner, meta
    return kind, Meta()


def _choices(kind: Any) -> list[Any]:
    """The types that a value may have, besides null and nothing."""
    if get_origin(kind) in (Union, types.UnionType):
        return [option for option in get_args(kind) if option not in (type(None), msgspec.UnsetType)]
    return [kind]


def _is_table(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _words(value: Any, kind: Any, meta: Meta) -> str:
    """What a type asks of a value."""
    if meta.description is not None:
        return meta.description
    if get_origin(kind) is Literal:
        choices = get_args(kind)
        return f"one of {', '.join(map(str, choices))}" if len(choices) > 2 else " or ".join(map(show, choices))
    if kind in (int, float) and isinstance(value, int | kind) and not isinstance(value, bool):
        return _bound(value, meta)
    if get_origin(kind) in (list, tuple):
        return "a list" + _length(kind, meta)
    if _is_table(kind) or get_origin(kind) is dict:
        return "a table" + (f" of at most {meta.max_length} keys" if meta.max_length is not None else "")
    if kind is str:
        most = f" of at most {meta.max_length} characters" if meta.max_length is not None else ""
        return f"a text{most}" + (f" like {meta.pattern}" if meta.pattern is not None else "")
    if (options := _choices(kind)) != [kind]:
        return " or ".join(_words(None, *_bare(option)) for option in options)
    return _NAMES.get(kind, str(kind))


def _bound(value: float, meta: Meta) -> str:
    """The bound that a number breaks."""
    if value != value or value in (math.inf, -math.inf):
        return "a finite number"
    if meta.gt is not None and value <= meta.gt:
        return f"more than {meta.gt}"
    if meta.ge is not None and value < meta.ge:
        return f"at least {meta.ge}"
    return f"at most {meta.le}"


def _length(kind: Any, meta: Meta) -> str:
    """How many values a list may have."""
    if get_origin(kind) is tuple and get_args(kind)[-1] is not Ellipsis:
        return f" of {len(get_args(kind))} values"
    if meta.max_length is not None:
        return f" of {meta.min_length or 0} … {meta.max_length} values"
    return f" of at least {meta.min_length} values" if meta.min_length is not None else ""
