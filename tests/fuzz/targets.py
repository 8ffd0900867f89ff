"""Every reader of bytes that come from outside, as something to be fuzzed. A new reader is one more function here.

A function gives a `Target`: how to read some bytes, valid examples to start from, and a strategy for inputs that are
almost right. Whatever comes, a reader returns or raises one of `allowed`; everything else is a finding.
"""

from __future__ import annotations

import atexit
import copy
import hashlib
import json
import os
import shutil
import struct
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st

import factories
import tiny
from lnbench import record, seasons, verification
from lnbench._record_checks import checks
from lnbench.data import mnist
from lnbench.errors import DataError, LnbenchError, ProtocolError, RecordError
from lnbench.poison import labels
from lnbench.protocol import canonical_json
from lnbench.protocol import track as tracks
from lnbench.store import Store

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))
"""For readers that take a path; the campaign puts it on a disk in memory."""


@atexit.register
def _clean(owner: int = os.getpid()) -> None:
    """Remove it when its process ends, and not when a child that was forked from it does."""
    if os.getpid() == owner:
        shutil.rmtree(FOLDER, ignore_errors=True)


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        read: reads some bytes.
        seeds: inputs that are right.
        almost: inputs that are right up to a few places.
        allowed: what it may raise.
        longest: bytes of the longest input worth trying.
    """

    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    almost: st.SearchStrategy[bytes]
    allowed: tuple[type[Exception], ...] = (LnbenchError,)
    longest: int = 4096


_NUMBERS = (
    st.integers(-3, 12)
    | st.integers()
    | st.sampled_from([2**31, 2**53, 2**63, -(2**63), 10**40, 10**4000])
    | st.floats(allow_nan=False, allow_infinity=False)
)
_LEAVES = st.none() | st.booleans() | _NUMBERS | st.text(max_size=9) | st.sampled_from(["\ud800", "\0", "a" * 3000])
_JSON = st.recursive(
    _LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5), v, max_size=3), max_leaves=6
)
_ODD = st.sampled_from(
    ["NaN", "Infinity", "-Infinity", "1e999", '{"a":1,"a":2}', "[" * 5000, '"\\ud800"', "-0", "1.0E+2"]
)


@st.composite
def _changed(draw: st.DrawFn, document: Any) -> Any:
    """A copy of a JSON value with one to three of its parts replaced, removed, added or swapped."""
    made = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        spot, steps = made, draw(st.integers(0, 5))
        while steps and isinstance(spot, (dict, list)) and spot:
            inner = [
                v for v in (spot.values() if isinstance(spot, dict) else spot) if isinstance(v, (dict, list)) and v
            ]
            if not inner:
                break
            spot, steps = draw(st.sampled_from(inner)), steps - 1
        if isinstance(spot, dict):
            key = draw(st.sampled_from(sorted(spot)) if spot and draw(st.booleans()) else st.text(max_size=8))
            if key in spot and draw(st.integers(0, 3)) == 0:
                del spot[key]
            else:
                spot[key] = draw(_JSON)
        elif isinstance(spot, list):
            place = draw(st.integers(0, len(spot)))
            spot[place : place + draw(st.integers(0, 2))] = draw(st.lists(_JSON, max_size=2))
    return made


def _text(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii") + b"\n"


@st.composite
def _spliced(draw: st.DrawFn, text: bytes) -> bytes:
    """JSON text with something that `json.dumps` would not write put in somewhere."""
    place = draw(st.integers(0, len(text)))
    return text[:place] + draw(_ODD).encode() + text[place + draw(st.integers(0, 3)) :]


def label_stream() -> Target:
    """The answer of a guest, to a request for labels."""
    clean = np.arange(60, dtype=np.int64) % 4
    flipped = clean.copy()
    flipped[3] = 0
    details = {
        "description": "d",
        "author": "",
        "paper": "",
        "license": "",
        "parameters": {"k": 2},
        "defaults": {"k": 1},
    }

    def answer(header: bytes, values: list[int], kind: bytes = b"L", size: int | None = None) -> bytes:
        body = b"".join(struct.pack("<q", v) for v in values)
        return labels.MAGIC + kind + struct.pack("<I", len(header) if size is None else size) + header + body

    def read(data: bytes) -> None:
        try:
            labels.decode(data, "a.py", clean, 4, 3, [(3, 0), (2, 1)])
        except LnbenchError as error:
            if not str(error).isprintable():
                raise AssertionError(f"a verdict that is not fit to print: {error!r}") from None
            raise

    whole = answer(_text(details), [*flipped.tolist(), 0])
    message = answer(_text({"message": "no"}), [], b"R")
    header = _changed(details).map(_text) | _spliced(_text(details)) | st.binary(max_size=40)
    words = st.lists(st.integers(0, 3) | st.integers(-(2**63), 2**63 - 1), min_size=58, max_size=62)
    almost = st.builds(
        answer,
        header | _changed({"message": "no"}).map(_text),
        st.just([*flipped.tolist(), 0]) | st.just([]) | words,
        st.sampled_from([b"L", b"R", b"U", b"D", b"x"]),
        st.none() | st.integers(0, 2**32 - 1) | st.integers(0, 400),
    )
    return Target(read, (whole, message), almost, (LnbenchError,), labels.longest(60))


def record_json() -> Target:
    """A record's file, and all that is then derived from it."""
    made = dict(factories.make(factories.small(2, 1)).document)

    def read(data: bytes) -> None:
        for check in checks(record.parse(data)):
            if not check.sentence:
                raise AssertionError(f"{check.name} says nothing")

    def rehashed(document: Any) -> bytes:
        """With the hash made to fit, as a forger would."""
        if isinstance(document, dict) and "sha256" in document:
            inside = {k: v for k, v in document.items() if k not in ("run", "sha256")}
            document["sha256"] = hashlib.sha256(_text(inside)).hexdigest()
            if isinstance(track := document.get("track"), dict) and "document" in track:
                track["sha256"] = hashlib.sha256(_text(track["document"])).hexdigest()
        return _text(document)

    whole = canonical_json(made)
    almost = _changed(made).map(rehashed) | _changed(made).map(_text) | _spliced(whole)
    return Target(read, (whole,), almost, (RecordError,), 2 * len(whole))


def track_toml() -> Target:
    """A track's file."""
    path = FOLDER / "track.toml"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        track = tracks.load(str(path))
        repr((track.sha256, [track.epsilons(v) for v in track.victims]))

    keys = tiny.document()
    odd = st.sampled_from(
        ["nan", "inf", "0x7f", "1979-05-27T07:32:00Z", "''' '''", "[[[[", "1e400", "9" * 5000, "{" * 999]
    )
    whole = _toml(keys)
    spliced = st.tuples(st.integers(0, len(whole)), odd).map(lambda c: whole[: c[0]] + c[1].encode() + whole[c[0] :])
    shipped = tuple((tracks.FOLDER / f"{name}.toml").read_bytes() for name in tracks.names())
    return Target(read, (whole, *shipped), _changed(keys).map(_toml) | spliced, (ProtocolError,), 4096)


def idx() -> Target:
    """One file of MNIST."""
    path, shape = FOLDER / "images-idx3-ubyte", (16, 4, 4)
    content = bytes(range(256))
    pinned = hashlib.sha256(content).hexdigest()

    def read(data: bytes) -> None:
        path.write_bytes(data)
        if mnist._read(path, shape, pinned).tobytes() != content:
            raise AssertionError("another content was let through")

    words = st.integers(0, 2**32 - 1) | st.sampled_from([0x803, 0x801, 16, 4])
    header = st.lists(words, max_size=5).map(lambda v: struct.pack(f">{len(v)}I", *v))
    almost = st.builds(lambda a, b: a + b, header, st.binary(max_size=300) | st.just(content))
    return Target(read, (struct.pack(">4I", 0x803, *shape) + content,), almost, (DataError,), 400)


def store_entry() -> Target:
    """A result in the store: whatever lies there is the value that was put, or nothing."""
    store, name, value = (
        Store(FOLDER / "store"),
        {"track": "t", "split": 0},
        {"victims": [{"seed": 0}], "seconds": 1.25},
    )
    store.put("cells", name, value)
    (path,) = store.root.rglob("*.json")
    whole = path.read_bytes()

    def read(data: bytes) -> None:
        path.write_bytes(data)
        found = store.get("cells", name)
        if found is None:
            if path.exists():
                raise AssertionError("a damaged entry was left in its place")
        elif json.loads(data)["sha256"] != hashlib.sha256(_text(found)).hexdigest():
            raise AssertionError("a damaged entry was believed")

    return Target(read, (whole,), _changed(json.loads(whole)).map(_text) | _spliced(whole), (), 1024)


def seasons_toml() -> Target:
    """A board's seasons."""
    path = FOLDER / "seasons.toml"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        for season in seasons.read(path).values():
            if not season.is_open and seasons.commitment(season.salt or "") != season.commitment:
                raise AssertionError("a salt was believed that is not the committed one")

    first = {"commitment": seasons.commitment("pepper"), "opened": "2026-05-01"}
    keys = {"s1": first, "s2": {**first, "closed": "2026-06-30", "salt": "salted", "records": ["a" * 64]}}
    keys["s2"]["commitment"] = seasons.commitment("salted")
    whole = _toml(keys)
    return Target(read, (whole,), _changed(keys).map(_toml) | st.binary(max_size=80), (RecordError,), 2048)


def verification_json() -> Target:
    """Somebody's statement that they derived a record again."""
    keys = {"schema": 1, "record": "a" * 64, "by": "A. Reader", "date": "2026-11-22", "cells": 4}
    keys |= {"sandbox": "bubblewrap", "environment": "e" * 64, "version": "0.1.0"}
    keys["checks"] = dict.fromkeys(verification.NEEDED, "it holds.")
    whole = _text(keys)
    almost = _changed(keys).map(_text) | _spliced(whole)
    return Target(lambda data: verification.parse(data, FOLDER), (whole,), almost, (RecordError,), 2048)


def _toml(document: Any) -> bytes:
    """The document as TOML, or bytes that are none."""
    if not isinstance(document, dict):
        return _text(document)
    try:
        return tiny.write(FOLDER / "written.toml", document).read_bytes()
    except UnicodeEncodeError:
        return b"\xed\xa0\x80"


TARGETS: dict[str, Callable[[], Target]] = {
    make.__name__: make
    for make in (label_stream, record_json, track_toml, idx, store_entry, seasons_toml, verification_json)
}
