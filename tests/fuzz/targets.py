"""Every reader of bytes that come from outside, as something to be fuzzed. A new reader is one more function here.

A function gives a `Target`: how to read some bytes, valid examples to start from, and a strategy for inputs that are
almost right. Whatever comes, a reader returns or raises one of `allowed`; everything else is a finding.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import factories
import tiny
from fuzz import defence_targets, hub_targets
from fuzz.tape import Tape, changed, flipped, spliced, tapes, text, toml
from fuzz.target import FOLDER, Target
from lnbench import record
from lnbench.characters import first_unseen
from lnbench.data import mnist
from lnbench.errors import DataError, LnbenchError, ProtocolError, RecordError
from lnbench.evaluation.store import Store
from lnbench.poison import labels
from lnbench.poison.submission import Submission
from lnbench.protocol import canonical_json
from lnbench.protocol import track as tracks
from lnbench.record import seasons, statement
from lnbench.record.consistency import checks

WRITTEN = FOLDER / "written.toml"


def label_stream() -> Target:
    """The answer of a guest."""
    clean = np.arange(60, dtype=np.int64) % 4
    flipped_labels = [0 if i == 3 else int(label) for i, label in enumerate(clean)]

    def answer(values: list[int], kind: bytes = b"L", tail: bytes = b"") -> bytes:
        return labels.MAGIC + kind + b"".join(struct.pack("<q", v) for v in values) + tail

    def read(data: bytes) -> None:
        with _fit_to_print():
            labels.decode(data, "a.py", clean, 4, 3, [(3, 0), (2, 1)])

    def almost(tape: Tape) -> bytes:
        kind, tail = tape.of((b"L", b"L", b"R", b"U", b"D", b"x")), tape.bytes(40) if tape.below(4) == 0 else b""
        values = [*flipped_labels, 0] if tape.below(3) else []
        for _ in range(tape.below(4)):
            place = tape.below(len(values) + 1)
            more = [tape.of((0, 1, 2, 3, 4, -1, 2**63 - 1, -(2**63), 10**9, 10**9 + 1)) for _ in range(tape.below(3))]
            values[place : place + tape.of((len(more), tape.below(3)))] = more
        return answer(values, kind, tail)

    seeds = (answer([*flipped_labels, 0]), answer([], b"R", b"no"))
    return Target(read, seeds, tapes(almost, 96), (LnbenchError,), labels.longest(60))


def submission_source() -> Target:
    """A submission's file, which the referee reads without running it."""
    whole = (Path(__file__).parents[2] / "submissions" / "my_poisoner.py").read_bytes()
    small = (
        b"import lnbench\nclass A(lnbench.Poisoner):\n    'd'\n    author = 'x'\n    k: int = 3\n"
        b"    def poison(self, problem):\n        return f'{problem}'\n"
    )
    words = (
        *(b"# coding: utf-7\n", b"\xef\xbb\xbf", b"\r", b"\x0c", b"\0", b"\xe2\x80\xae", b"\xef\xbd\x81", b"\xd0\xb0"),
        *(
            b"from lnbench.protocol import Streams\n",
            b"(",
            b"[",
            b"{",
            b"'",
            b"    author = f()\n",
            b"    k: list = []\n",
        ),
    )

    def read(data: bytes) -> None:
        with _fit_to_print():
            _ = Submission.from_bytes("a.py", data).values

    def almost(tape: Tape) -> bytes:
        text = small if tape.below(3) else whole
        for _ in range(tape.below(3)):
            at = tape.below(len(text) + 1)
            text = text[:at] + tape.of(words) + text[at:]
        return text if tape.below(2) else spliced(tape, text)

    return Target(read, (small, whole), tapes(almost, 96), (LnbenchError,), 2 * len(whole))


@contextlib.contextmanager
def _fit_to_print() -> Iterator[None]:
    try:
        yield
    except LnbenchError as error:
        if first_unseen(str(error)) is not None:
            raise AssertionError(f"a verdict that is not fit to print: {error!r}") from None
        raise


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
            document["sha256"] = hashlib.sha256(text(inside)).hexdigest()
            if isinstance(track := document.get("track"), dict) and "document" in track:
                track["sha256"] = hashlib.sha256(text(track["document"])).hexdigest()
        return text(document)

    whole = canonical_json(made)

    def almost(tape: Tape) -> bytes:
        kind = tape.below(4)
        return spliced(tape, whole) if kind == 3 else (text if kind == 2 else rehashed)(changed(tape, made))

    return Target(read, (whole,), tapes(almost), (RecordError,), 2 * len(whole))


def track_toml() -> Target:
    """A track's file."""
    path = FOLDER / "track.toml"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        track = tracks.load(str(path))
        repr((track.sha256, [track.epsilons(v) for v in track.victims]))

    keys = tiny.document()
    odd = (b"nan", b"inf", b"0x7f", b"1979-05-27T07:32:00Z", b"''' '''", b"[[[[", b"1e400", b"9" * 5000, b"{" * 999)
    whole = toml(keys, WRITTEN)

    def almost(tape: Tape) -> bytes:
        if tape.below(4) < 3:
            return toml(changed(tape, keys), WRITTEN)
        place = tape.below(len(whole) + 1)
        return whole[:place] + tape.of(odd) + whole[place:]

    shipped = tuple((tracks.FOLDER / f"{name}.toml").read_bytes() for name in tracks.names())
    return Target(read, (whole, *shipped), tapes(almost), (ProtocolError,), 4096)


def idx() -> Target:
    """One file of MNIST."""
    path, shape = FOLDER / "images-idx3-ubyte", (16, 4, 4)
    content = bytes(range(256))
    pinned = hashlib.sha256(content).hexdigest()

    def read(data: bytes) -> None:
        path.write_bytes(data)
        if mnist._read(path, shape, pinned).tobytes() != content:
            raise AssertionError("another content was let through")

    whole = struct.pack(">4I", 0x803, *shape) + content

    def almost(tape: Tape) -> bytes:
        if tape.below(2):
            return flipped(tape, whole)
        words = [tape.of((0x803, 0x801, 16, 4, tape.below(2**32))) for _ in range(tape.below(6))]
        return struct.pack(f">{len(words)}I", *words) + tape.of((content, tape.bytes(40), content[1:], content + b"\0"))

    return Target(read, (whole,), tapes(almost), (DataError,), 400)


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
        elif json.loads(data)["sha256"] != hashlib.sha256(text(found)).hexdigest():
            raise AssertionError("a damaged entry was believed")

    return Target(read, (whole,), tapes(lambda tape: _json(tape, json.loads(whole))), (), 1024)


def seasons_toml() -> Target:
    """A board's seasons."""
    path = FOLDER / "seasons.toml"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        for season in seasons.read(path).values():
            if not season.is_open and seasons.commitment(season.salt or "") != season.commitment:
                raise AssertionError("a salt was believed that is not the committed one")

    first = {"commitment": seasons.commitment("pepper"), "opened": "2026-05-01"}
    keys: dict[str, dict[str, Any]] = {
        "s1": first,
        "s2": {**first, "closed": "2026-06-30", "salt": "salted", "records": ["a" * 64]},
    }
    keys["s2"]["commitment"] = seasons.commitment("salted")
    whole = toml(keys, WRITTEN)

    def almost(tape: Tape) -> bytes:
        return toml(changed(tape, keys), WRITTEN) if tape.below(4) else flipped(tape, whole)

    return Target(read, (whole,), tapes(almost), (RecordError,), 2048)


def statement_json() -> Target:
    """Somebody's statement that they derived a record again."""
    keys = {"schema": 1, "record": "a" * 64, "by": "A. Reader", "date": "2026-11-22", "cells": 4}
    keys |= {"sandbox": "bubblewrap", "environment": "e" * 64, "version": "0.1.0"}
    keys["checks"] = dict.fromkeys(statement.NEEDED, "it holds.")
    almost = tapes(lambda tape: _json(tape, keys))
    return Target(lambda data: statement.parse(data, FOLDER), (text(keys),), almost, (RecordError,), 2048)


def saved_victim() -> Target:
    """A saved victim's file: loaded, and checked beside the card of the record that it says it is of."""
    import torch
    from safetensors.torch import save

    from lnbench.evaluation import saved_victims
    from lnbench.victims import architecture

    made, folder = factories.make(factories.small(2, 1)), FOLDER / "victims"
    victim, document = made.document["victims"][0], made.document
    name = {"track": made.track.sha256, "salt": document["salt_commitment"], "code": document["code_sha256"]}
    name |= {"environment": document["environment"]["id"], "arm": victim["arm"], "victim": victim["architecture"]}
    name |= {"labels": "a" * 64, "places": [[0, 0]]}
    spec = made.track.spec(victim["architecture"])
    facts = {"name": name, "split": victim["split"], "seed": victim["seed"], "architecture": spec.architecture}
    facts |= {"options": {"width": 4, "depth": 1}, "counts": saved_victims._counts(victim)}
    path = folder / saved_victims.place(victim["architecture"], victim["split"], victim["arm"], victim["seed"])
    path.parent.mkdir(parents=True, exist_ok=True)
    saved_victims.write_card(made, folder)
    start = architecture("mlp", facts["options"]).init((1, 2, 2), 3, torch.Generator().manual_seed(0))

    def written(header: bytes) -> bytes:
        return save(start, {"lnbench": header.decode("ascii").strip()})

    def read(data: bytes) -> None:
        path.write_bytes(data)
        saved_victims.load(path)
        saved_victims.check_folder(folder, made)

    whole = written(text(facts))
    size = int.from_bytes(whole[:8], "little")
    header, tensors = json.loads(whole[8 : 8 + size]), whole[8 + size :]

    def almost(tape: Tape) -> bytes:
        kind = tape.below(4)
        if kind == 3:
            return flipped(tape, whole)
        said = text(changed(tape, facts)) if kind else spliced(tape, text(facts))
        if kind < 2:
            return written(said)
        changed_header = text(changed(tape, {**header, "__metadata__": {"lnbench": said.decode("ascii")}}))
        return len(changed_header).to_bytes(8, "little") + changed_header + tensors

    return Target(read, (whole,), tapes(almost, 96), (RecordError,), 2 * len(whole))


def _json(tape: Tape, document: Any) -> bytes:
    """JSON text that is almost the document's."""
    return text(changed(tape, document)) if tape.below(4) else spliced(tape, text(document))


_HERE = (
    label_stream,
    submission_source,
    record_json,
    track_toml,
    idx,
    store_entry,
    seasons_toml,
    statement_json,
    saved_victim,
)
TARGETS: dict[str, Callable[[], Target]] = {
    make.__name__: make for make in (*_HERE, *defence_targets.ALL, *hub_targets.ALL)
}
