"""The readers of what a defence says: a defender's answer, and a defence's record."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

import factories
from fuzz.tape import Tape, changed, spliced, tapes, text
from fuzz.target import Target
from lnbench.characters import first_unseen
from lnbench.errors import LnbenchError, RecordError
from lnbench.poison.training_bytes import encode
from lnbench.poison.treatment import decode
from lnbench.protocol import Streams, Training, canonical_json
from lnbench.protocol.treatment import Treatment
from lnbench.record import defence
from lnbench.trust import verify_defence

_BYTES = (0, 1, 255, 128, 127, 64)


def training_answer() -> Target:
    """The answer of a defender's guest, and the document that the store and the record hold of it."""
    given, track = np.arange(24, dtype=np.int64) % 10, factories.small(2, 1)
    part = np.arange(24) % 2
    answers = (
        Training(),
        Training(labels=given, recipe={"label_smoothing": 0.1, "early_stopping": 0.2}),
        Training(weights=np.stack([part == 0, part == 1]), partition=part),
        Training(weights=part + 0.5, subset=np.arange(20)),
    )
    whole = tuple(encode(answer, len(given), 0) for answer in answers)

    def read(data: bytes) -> None:
        try:
            made = decode(data, "a.py", given, track)
        except LnbenchError as error:
            if first_unseen(str(error)) is not None:
                raise AssertionError(f"a verdict that is not fit to print: {error!r}") from None
            raise
        again = Treatment.from_document(json.loads(canonical_json(made.document(given))), given)
        weights = [None if one.weights is None else one.weights.tolist() for one in (again, made)]
        if not np.array_equal(again.labels, made.labels) or weights[0] != weights[1]:
            raise AssertionError("the document of an answer that was accepted says something else")

    def almost(tape: Tape) -> bytes:
        body = tape.of(whole)
        size = struct.unpack("<I", body[:4])[0]
        header, arrays = json.loads(body[4 : 4 + size]), bytearray(body[4 + size :])
        if tape.below(2):
            said = text(changed(tape, header))
        else:
            said = spliced(tape, text(header)) if tape.below(2) else text(header)
        for _ in range(tape.below(4)):
            if arrays:
                arrays[tape.below(len(arrays))] = tape.of(_BYTES)
        if tape.below(4) == 3:
            del arrays[tape.below(len(arrays) + 1) :]
        length = len(said) if tape.below(8) else tape.below(2**32)
        return struct.pack("<I", length) + said + bytes(arrays)

    return Target(read, whole, tapes(almost, 96), (LnbenchError,), 8192)


def defence_record() -> Target:
    """A defence's record, and all that `verify` derives from it without training or running anything."""
    made = factories.defended(factories.make(factories.small(2, 1)))
    document = dict(made.document)

    def read(data: bytes) -> None:
        record = defence.parse(data)
        repr((record.label, record.filename))
        checks = [verify_defence._run(name, test, record) for name, test in verify_defence._CHECKS.items()]
        if all(check.passed for check in checks):
            streams = Streams(record.undefended.track.sha256)
            checks.append(verify_defence._run("treatments", lambda r: verify_defence._treatments(r, streams), record))
        for check in checks:
            if not check.sentence or first_unseen(check.sentence) is not None:
                raise AssertionError(f"{check.name} says {check.sentence!r}")

    def rehashed(some: Any) -> bytes:
        """With the hash made to fit, as a forger would."""
        if isinstance(some, dict) and isinstance(some.get("undefended"), dict) and "sha256" in some["undefended"]:
            some["sha256"] = defence.digest(some)
        return text(some)

    def treated(tape: Tape) -> dict[str, Any]:
        """With another treatment under its right hash."""
        (sha,) = document["treatments"]
        other = changed(tape, document["treatments"][sha])
        if isinstance(other, dict) and not tape.below(3):
            values = np.frombuffer(tape.bytes(64).ljust(64, b"\xff"), "<f4")
            other["weights"] = f"float32:{base64.b64encode(np.resize(values, 898).tobytes()).decode()}"
        name = factories.hashed(other)
        new = {"clean": [name] * 2, "random": [[name]] * 2, "poisoned": [name] * 2}
        return {**document, "treatments": {name: other}, "treated": new}

    whole = canonical_json(document)

    def almost(tape: Tape) -> bytes:
        kind = tape.below(5)
        if kind == 4:
            return spliced(tape, whole)
        if kind == 3:
            return rehashed(treated(tape))
        return (text if kind == 2 else rehashed)(changed(tape, document))

    return Target(read, (whole,), tapes(almost, 96), (RecordError,), 2 * len(whole))


ALL: tuple[Callable[[], Target], ...] = (training_answer, defence_record)
