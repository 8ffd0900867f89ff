"""Inputs that are almost right, read off a short tape of bytes.

Hypothesis draws the tape as one value and shrinks it as one: a choice costs a microsecond, where a choice drawn by a
strategy of its own costs forty. A tape that has come to its end reads zeros, and zeros are the smallest change.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st

import tiny

T = TypeVar("T")

_NUMBERS = (0, 1, -1, 12, 2**31, 2**53, 2**63 - 1, -(2**63), 10**40, 10**4000, 0.5, -0.0, 1e-320, 1e308, -2.5)
_TEXTS = ("", "a", "Ω", "\ud800", "\0", "a" * 3000, "../x", "\u202e", "<b>", "2026-01-01", "a_b-1")
_ODD = ("NaN", "Infinity", "-Infinity", "1e999", '{"a":1,"a":2}', "[" * 5000, '"\\ud800"', "-0", "1.0E+2", "9" * 5000)


class Tape:
    """Choices, one after the other."""

    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def below(self, n: int) -> int:
        """A number of 0 … n − 1."""
        size = max(1, ((n - 1).bit_length() + 7) // 8)
        part = self.data[self.at : self.at + size]
        self.at += size
        return int.from_bytes(part, "little") % n

    def of(self, options: Sequence[T]) -> T:
        """One of the options."""
        return options[self.below(len(options))]

    def bytes(self, most: int) -> bytes:
        """Up to `most` bytes."""
        size = self.below(most + 1)
        self.at += size
        return self.data[self.at - size : self.at].ljust(size, b"\0")


def tapes(read: Callable[[Tape], bytes], size: int = 48) -> st.SearchStrategy[bytes]:
    """Inputs that `read` makes of tapes."""
    return st.binary(min_size=size, max_size=size).map(lambda data: read(Tape(data)))


def value(tape: Tape, depth: int = 0) -> Any:
    """Any JSON value, small."""
    kind = tape.below(7 if depth > 2 else 9)
    if kind < 3:
        return (None, True, False)[kind]
    if kind == 3:
        return tape.below(16) - 3
    if kind == 4:
        return tape.of(_NUMBERS)
    if kind == 5:
        return tape.of(_TEXTS)
    if kind == 6:
        return "".join(chr(32 + tape.below(95)) for _ in range(tape.below(9)))
    if kind == 7:
        return [value(tape, depth + 1) for _ in range(tape.below(4))]
    return {_key(tape): value(tape, depth + 1) for _ in range(tape.below(4))}


def changed(tape: Tape, document: Any) -> Any:
    """A copy of a JSON value with one to three of its parts replaced, removed, added or swapped."""
    made = copy.deepcopy(document)
    for _ in range(1 + tape.below(3)):
        spot = _spot(tape, made)
        if isinstance(spot, dict):
            key = tape.of(sorted(spot)) if spot and tape.below(4) else _key(tape)
            if key in spot and tape.below(4) == 3:
                del spot[key]
            else:
                spot[key] = _beside(tape, spot.get(key))
        elif isinstance(spot, list):
            place = tape.below(len(spot) + 1)
            old = spot[place] if place < len(spot) else None
            spot[place : place + tape.below(3)] = [_beside(tape, old) for _ in range(tape.below(3))]
    return made


def _spot(tape: Tape, made: Any) -> Any:
    """Some dict or list inside a JSON value, or the value itself."""
    spot = made
    for _ in range(tape.below(6)):
        inner = [v for v in (spot.values() if isinstance(spot, dict) else spot) if isinstance(v, (dict, list)) and v]
        if not inner:
            break
        spot = tape.of(inner)
    return spot


def _beside(tape: Tape, old: Any) -> Any:
    """A value near the old one, or any."""
    if isinstance(old, bool) or tape.below(2):
        return value(tape)
    if isinstance(old, int):
        return old + tape.of((1, -1, 2, -2, 256, -256))
    if isinstance(old, float) and math.isfinite(old):
        return old * tape.of((2.0, -1.0, 0.5, 1.0 + 1e-9))
    if isinstance(old, str):
        place = tape.below(len(old) + 1)
        return old[:place] + tape.of((*_TEXTS, "0", "f")) + old[place + tape.below(2) :]
    return value(tape)


def _key(tape: Tape) -> str:
    return tape.of(("a", "x", "name", "version", "é", "", "a b", "__class__", "[", "split"))


def text(document: Any) -> bytes:
    """A JSON value as canonical JSON writes it, whatever is in it."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


def spliced(tape: Tape, whole: bytes) -> bytes:
    """Text with something that no writer would write put in somewhere."""
    place = tape.below(len(whole) + 1)
    return whole[:place] + tape.of(_ODD).encode() + whole[place + tape.below(4) :]


def flipped(tape: Tape, data: bytes) -> bytes:
    """Bytes with up to three bits flipped, and perhaps something cut off or put behind."""
    made = bytearray(data)
    for _ in range(tape.below(4)):
        if made:
            made[tape.below(len(made))] ^= 1 << tape.below(8)
    if (end := tape.below(8)) == 7:
        del made[tape.below(len(made) + 1) :]
    return bytes(made) + (tape.bytes(12) if end == 6 else b"")


def toml(document: Any, path: Path) -> bytes:
    """The document as TOML, or bytes that are none; written to `path`."""
    if not isinstance(document, dict):
        return text(document)
    try:
        return tiny.write(path, document).read_bytes()
    except UnicodeEncodeError:
        return b"\xed\xa0\x80"
