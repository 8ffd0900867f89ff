"""What a record may hold, field by field: types and ranges, nothing that ties two fields together.

A check is a function that returns or raises `Wrong`; containers put the path in front of the message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from lnbench.protocol import ARMS

Check = Callable[[Any], None]
_MOST = 2**53
"""Largest integer that every JSON reader keeps exactly."""


class Wrong(Exception):
    """A value is not what the schema asks for."""

    def __init__(self, expected: str, value: Any, path: str = "") -> None:
        super().__init__(expected)
        self.expected, self.value, self.path = expected, value, path

    def __str__(self) -> str:
        return f"{self.path.lstrip('.') or 'the record'}: expected {self.expected}, got {_show(self.value)}"


def integer(low: int = 0, high: int = _MOST) -> Check:
    """A JSON integer in low … high."""

    def check(value: Any) -> None:
        if type(value) is not int or not low <= value <= high:
            raise Wrong(f"an integer in {low} … {high}", value)

    return check


def number(low: float = -1e12, high: float = 1e12) -> Check:
    """A JSON number with a point in low … high."""

    def check(value: Any) -> None:
        if type(value) is not float or not low <= value <= high:
            raise Wrong(f"a decimal number in {low:g} … {high:g}", value)

    return check


def text(pattern: str | None = None, most: int = 1 << 20) -> Check:
    """A string, at most `most` characters, that matches the whole pattern if there is one."""
    compiled = None if pattern is None else re.compile(pattern)

    def check(value: Any) -> None:
        if type(value) is not str or len(value) > most:
            raise Wrong(f"a text of at most {most} characters", value)
        if compiled is not None and compiled.fullmatch(value) is None:
            raise Wrong(f"a text like {pattern}", value)

    return check


def one_of(*choices: Any) -> Check:
    """One of these values, with its very type."""

    def check(value: Any) -> None:
        if not any(type(value) is type(choice) and value == choice for choice in choices):
            raise Wrong(" or ".join(repr(c) for c in choices), value)

    return check


def optional(inner: Check) -> Check:
    """null or what `inner` accepts."""

    def check(value: Any) -> None:
        if value is not None:
            inner(value)

    return check


def either(description: str, *inner: Check) -> Check:
    """What any of `inner` accepts."""

    def check(value: Any) -> None:
        for option in inner:
            try:
                return option(value)
            except Wrong:
                continue
        raise Wrong(description, value)

    return check


def items(inner: Check, low: int = 0, high: int = 1 << 20) -> Check:
    """A list of low … high values that `inner` accepts."""

    def check(value: Any) -> None:
        if type(value) is not list or not low <= len(value) <= high:
            raise Wrong(f"a list of {low} … {high} values", value)
        for place, entry in enumerate(value):
            try:
                inner(entry)
            except Wrong as wrong:
                raise Wrong(wrong.expected, wrong.value, f"[{place}]{wrong.path}") from None

    return check


def row(*inner: Check) -> Check:
    """A list with one value for each of `inner`."""

    def check(value: Any) -> None:
        if type(value) is not list or len(value) != len(inner):
            raise Wrong(f"a list of {len(inner)} values", value)
        for place, (test, entry) in enumerate(zip(inner, value, strict=True)):
            try:
                test(entry)
            except Wrong as wrong:
                raise Wrong(wrong.expected, wrong.value, f"[{place}]{wrong.path}") from None

    return check


def mapping(inner: Check, key: Check | None = None, high: int = 1 << 16) -> Check:
    """An object of at most `high` free keys, each with a value that `inner` accepts."""
    key = key or text(most=200)

    def check(value: Any) -> None:
        if type(value) is not dict or len(value) > high:
            raise Wrong(f"an object of at most {high} keys", value)
        for name, entry in value.items():
            try:
                key(name)
                inner(entry)
            except Wrong as wrong:
                raise Wrong(wrong.expected, wrong.value, f".{name[:80]!s}{wrong.path}") from None

    return check


def table(**fields: Check) -> Check:
    """An object with exactly these keys."""

    def check(value: Any) -> None:
        if type(value) is not dict:
            raise Wrong("an object", value)
        if value.keys() != fields.keys():
            missing, extra = sorted(fields.keys() - value.keys()), sorted(value.keys() - fields.keys())
            if missing:
                raise Wrong(f"the key {missing[0]!r}", value)
            raise Wrong(f"no key {extra[0][:80]!r}", value)
        for name, test in fields.items():
            try:
                test(value[name])
            except Wrong as wrong:
                raise Wrong(wrong.expected, wrong.value, f".{name}{wrong.path}") from None

    return check


def anything(value: Any) -> None:
    """Whatever JSON can hold."""


_COUNT = integer()
_HEX = text(r"[0-9a-f]{64}", 64)
_LABEL = text(r"[^\x00-\x1f\x7f]+", 200)
_NAME = text(r"[a-z0-9][a-z0-9_-]{0,39}", 40)
_WORDS = text(most=1 << 14)
_SHARE = number(0, 1)
_PP = number(-100, 100)
_ENDS = optional(row(number(), number()))
_FLIPS = items(row(_COUNT, _COUNT, _COUNT))
_SECONDS = either("a number of seconds", number(0), integer())
_TIME = text(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?", 40)
_VALUE = either("a text, a number, true or false", text(), integer(-_MOST), number(-1e300, 1e300), one_of(True, False))

_VICTIM = table(
    architecture=_NAME,
    split=_COUNT,
    seed=_COUNT,
    arm=one_of(*ARMS),
    steps=_COUNT,
    train_points=integer(1),
    train_correct=_COUNT,
    flipped=_COUNT,
    memorised_count=_COUNT,
    diverged=one_of(True, False),
    clean=table(
        points=integer(1), correct=_COUNT, source_points=integer(1), source_correct=_COUNT, source_to_target=_COUNT
    ),
    broken=table(targeted=items(_COUNT, 1, 1000), untargeted=items(_COUNT, 1, 1000)),
    zero_gradient=table(targeted=_COUNT, untargeted=_COUNT),
    bits=table(targeted=text(r"[A-Za-z0-9+/]*={0,2}"), untargeted=text(r"[A-Za-z0-9+/]*={0,2}")),
)
_ACCURACIES = dict.fromkeys(
    ("adv_acc", "untargeted_adv_acc", "clean_acc", "source_clean_acc", "memorised"), optional(_SHARE)
)
_ARM = table(
    **_ACCURACIES,
    train_acc=optional(_SHARE),
    zero_gradient=table(targeted=optional(_SHARE), untargeted=optional(_SHARE)),
    curve=mapping(
        table(
            epsilons=items(number(0), 1, 1000),
            targeted=optional(items(_SHARE, 1, 1000)),
            untargeted=optional(items(_SHARE, 1, 1000)),
        ),
        _NAME,
    ),
    per_architecture=mapping(table(**_ACCURACIES), _NAME),
)
_SCORE = table(
    drop_pp=optional(_PP),
    ci95_pp=_ENDS,
    p_value=optional(_SHARE),
    splits=_COUNT,
    seeds=_COUNT,
    per_architecture=mapping(table(drop_pp=optional(_PP), ci95_pp=_ENDS, area_pp=optional(_PP)), _NAME),
    worst_architecture=optional(table(name=_NAME, drop_pp=_PP, ci95_pp=_ENDS)),
    area_pp=optional(_PP),
    ci95_points_pp=_ENDS,
    fixed_test_set=one_of(True, False),
    untargeted_drop_pp=optional(_PP),
    untargeted_ci95_pp=_ENDS,
    parts_pp=table(clean=optional(_PP), adversarial=optional(number(-200, 200))),
    split_drops_pp=items(optional(_PP), 1, 1000),
)
_RUN = {
    "started": _TIME,
    "seconds": _SECONDS,
    "poison_seconds": items(_SECONDS, 1, 1000),
    "device": optional(_WORDS),
    "cpu": optional(_WORDS),
    "version": optional(_WORDS),
    "commit": optional(_WORDS),
    "command": optional(_WORDS),
    "engine": optional(_WORDS),
    "workers": optional(_COUNT),
}

RECORD = table(
    schema=one_of(1),
    track=table(name=_NAME, version=_COUNT, sha256=_HEX, document=mapping(anything)),
    season=optional(_NAME),
    salt=one_of("public", None),
    salt_commitment=_HEX,
    replication=table(splits=integer(1, 1000), seeds=integer(1, 1000), quick=one_of(True, False)),
    poisoner=table(
        name=_LABEL,
        parameters=mapping(_VALUE, _LABEL, 100),
        description=_WORDS,
        author=_WORDS,
        paper=_WORDS,
        license=_WORDS,
        source=text(),
        sha256=_HEX,
    ),
    labels_sha256=items(_HEX, 1, 1000),
    flips=table(poisoned=items(_FLIPS, 1, 1000), random=items(items(_FLIPS, 1, 1000), 1, 1000)),
    trainings=items(_COUNT, 1, 1000),
    victims=items(_VICTIM, 1),
    score=_SCORE,
    arms=table(**dict.fromkeys(ARMS, _ARM)),
    flags=items(text(r"[a-z0-9][a-z0-9:_-]*", 120), 0, 200),
    ranked=one_of(True, False),
    environment=table(id=_LABEL, parts=mapping(anything)),
    code_sha256=_HEX,
    sandbox=one_of("bubblewrap", "landlock", "none"),
    run=table(**_RUN),
    sha256=_HEX,
)


def _show(value: Any) -> str:
    if isinstance(value, (list, dict)):
        return f"{'a list' if isinstance(value, list) else 'an object'} of {len(value)} values"
    if isinstance(value, str):
        value = value[:100]
    elif isinstance(value, int) and not -(10**30) < value < 10**30:
        return "an integer of more than 30 digits"
    shown = repr(value).encode("ascii", "backslashreplace").decode()
    return shown if len(shown) <= 80 else shown[:77] + "..."
