"""What a record may hold, field by field: types and ranges, nothing that ties two fields together.

A check knows two ways: one value, raising `Wrong` with the path to what is wrong, and a whole column of values at
once, which only tells whether all are right. Long lists take the fast way and go back for the message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from lnbench.protocol import ARMS, MATCHED

_MOST = 2**53
"""Largest integer that every JSON reader keeps exactly."""


class Wrong(Exception):
    """A value is not what the schema asks for."""

    def __init__(self, expected: str, value: Any, path: str = "") -> None:
        super().__init__(expected)
        self.expected, self.value, self.path = expected, value, path

    def __str__(self) -> str:
        return f"{self.path.lstrip('.') or 'the record'}: expected {self.expected}, got {_show(self.value)}"

    def inside(self, step: str) -> Wrong:
        """The same, seen from the container."""
        return Wrong(self.expected, self.value, step + self.path)


@dataclass(frozen=True)
class Check:
    """One kind of value.

    Attributes:
        one: raises `Wrong` for a value that is not of the kind.
        every: whether all values of a list are.
        needed: whether a table must have a key of this kind; see `maybe`.
    """

    one: Callable[[Any], None]
    every: Callable[[list[Any]], bool]
    needed: bool = True

    def accepts(self, value: Any) -> bool:
        """Whether `one` raises nothing."""
        try:
            self.one(value)
        except Wrong:
            return False
        return True


def _scalar(expected: str, good: Callable[[Any], bool], every: Callable[[list[Any]], bool] | None = None) -> Check:
    """A check of values without parts."""

    def one(value: Any) -> None:
        if not good(value):
            raise Wrong(expected, value)

    return Check(one, every or (lambda values: all(map(good, values))))


def _between(kind: type[int] | type[float], expected: str, low: float, high: float) -> Check:
    def every(values: list[Any]) -> bool:
        return not values or (set(map(type, values)) == {kind} and low <= min(values) and max(values) <= high)

    def good(value: Any) -> bool:
        return type(value) is kind and low <= value <= high

    return _scalar(expected, good, every)


def integer(low: int = 0, high: int = _MOST) -> Check:
    """A JSON integer in low … high."""
    return _between(int, f"an integer in {low} … {high}", low, high)


def number(low: float = -1e12, high: float = 1e12) -> Check:
    """A JSON number with a point in low … high."""
    return _between(float, f"a decimal number in {low:g} … {high:g}", low, high)


def text(pattern: str = "", most: int = 1 << 20) -> Check:
    """A string, at most `most` characters, that matches the whole pattern if there is one."""
    expected = f"a text of at most {most} characters" + (f" like {pattern}" if pattern else "")
    match = re.compile(pattern or r"(?s:.*)").fullmatch
    return _scalar(expected, lambda value: type(value) is str and len(value) <= most and match(value) is not None)


def one_of(*choices: Any) -> Check:
    """One of these values, with its very type."""
    allowed = {(type(choice), choice) for choice in choices}
    kinds = {kind for kind, _ in allowed}

    def every(values: list[Any]) -> bool:
        return set(map(type, values)) <= kinds and set(zip(map(type, values), values, strict=True)) <= allowed

    return _scalar(" or ".join(repr(c) for c in choices), lambda value: every([value]), every)


def optional(inner: Check) -> Check:
    """null or what `inner` accepts."""

    def one(value: Any) -> None:
        if value is not None:
            inner.one(value)

    return Check(one, lambda values: inner.every([v for v in values if v is not None]))


def either(description: str, *inner: Check) -> Check:
    """What any of `inner` accepts."""
    return _scalar(description, lambda value: any(option.accepts(value) for option in inner))


def items(inner: Check, low: int = 0, high: int = 1 << 20) -> Check:
    """A list of low … high values that `inner` accepts."""

    def one(value: Any) -> None:
        if not sized(value):
            raise Wrong(f"a list of {low} … {high} values", value)
        if inner.every(value):
            return
        _parts((f"[{place}]", inner, entry) for place, entry in enumerate(value))

    def sized(value: Any) -> bool:
        return type(value) is list and low <= len(value) <= high

    return Check(one, lambda values: all(map(sized, values)) and inner.every(list(chain.from_iterable(values))))


def row(*inner: Check) -> Check:
    """A list with one value for each of `inner`."""

    def one(value: Any) -> None:
        if not sized(value):
            raise Wrong(f"a list of {len(inner)} values", value)
        _parts((f"[{place}]", check, value[place]) for place, check in enumerate(inner))

    def sized(value: Any) -> bool:
        return type(value) is list and len(value) == len(inner)

    def every(values: list[Any]) -> bool:
        return all(map(sized, values)) and all(c.every([v[i] for v in values]) for i, c in enumerate(inner))

    return Check(one, every)


def mapping(inner: Check, key: Check | None = None, high: int = 1 << 16) -> Check:
    """An object of at most `high` free keys, each with a value that `inner` accepts."""
    key = key or text(most=200)

    def one(value: Any) -> None:
        if not sized(value):
            raise Wrong(f"an object of at most {high} keys", value)
        _parts((f".{name[:80]}", check, part) for name in value for check, part in ((key, name), (inner, value[name])))

    def sized(value: Any) -> bool:
        return type(value) is dict and len(value) <= high

    return _free(one)


def _free(one: Callable[[Any], None]) -> Check:
    """A check whose columns are checked one by one."""

    def every(values: list[Any]) -> bool:
        try:
            for value in values:
                one(value)
        except Wrong:
            return False
        return True

    return Check(one, every)


def maybe(inner: Check) -> Check:
    """What `inner` accepts, under a key that a table may lack."""
    return Check(inner.one, inner.every, needed=False)


def table(**fields: Check) -> Check:
    """An object with exactly these keys."""
    names = fields.keys()
    needed = {name for name, check in fields.items() if check.needed}

    def one(value: Any) -> None:
        if type(value) is not dict:
            raise Wrong("an object", value)
        missing, extra = sorted(needed - value.keys()), sorted(value.keys() - names)
        if missing or extra:
            raise Wrong(f"the key {missing[0]!r}" if missing else f"no key {extra[0][:80]!r}", value)
        _parts((f".{name}", check, value[name]) for name, check in fields.items() if name in value)

    def every(values: list[Any]) -> bool:
        if not all(type(value) is dict for value in values):
            return False
        if not all(needed <= set(keys) <= names for keys in set(map(tuple, values))):
            return False
        for name, check in fields.items():
            present = values if check.needed else [value for value in values if name in value]
            if not check.every([value[name] for value in present]):
                return False
        return True

    return Check(one, every)


def _parts(parts: Iterable[tuple[str, Check, Any]]) -> None:
    """Check (step, check, value) triples; what is wrong gets the step put in front of its path."""
    for step, check, value in parts:
        try:
            check.one(value)
        except Wrong as wrong:
            raise wrong.inside(step) from None


anything = _scalar("anything", lambda value: True)
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
_FLIPS_BY_SEED = items(items(_FLIPS, 1, 1000), 1, 1000)
_SECONDS = either("a number of seconds", number(0), integer())
_TIME = text(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?", 40)
_VALUE = either("a text, a number, true or false", text(), integer(-_MOST), number(-1e300, 1e300), one_of(True, False))

_VICTIM = table(
    architecture=_NAME,
    split=_COUNT,
    seed=_COUNT,
    arm=one_of(*ARMS, MATCHED),
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
    matched=maybe(table(drop_pp=optional(_PP), ci95_pp=_ENDS, p_value=optional(_SHARE))),
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
_IMAGE = table(
    split=_COUNT, index=_COUNT, old=_COUNT, new=_COUNT, pixels=text(r"[A-Za-z0-9+/]*={0,2}", 3 * 64 * 64 * 4 // 3 + 4)
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

RECORD: Check = table(
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
    flips=table(poisoned=items(_FLIPS, 1, 1000), random=_FLIPS_BY_SEED, matched=maybe(_FLIPS_BY_SEED)),
    trainings=items(_COUNT, 1, 1000),
    thumbnails=maybe(table(shape=row(one_of(1, 3), integer(1, 64), integer(1, 64)), images=items(_IMAGE, 1, 16))),
    victims=items(_VICTIM, 1),
    score=_SCORE,
    arms=table(**dict.fromkeys(ARMS, _ARM), matched=maybe(_ARM)),
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
