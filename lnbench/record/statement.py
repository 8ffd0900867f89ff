"""A verification: somebody's statement, in one canonical JSON file, that they derived a record again and how.

Like a record it is a claim, of whoever signs it with their name; who committed it is in the repository's history. It
says that every check of `lnbench verify --repoison --retrain N` passed, none skipped, on the signer's machine.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnbench.errors import ProtocolError, RecordError, UnavailableError
from lnbench.files import write_atomically
from lnbench.protocol import canonical_json
from lnbench.record import schema
from lnbench.record.consistency import Check
from lnbench.record.record import Record

LARGEST = 1 << 20
"""Bytes of the largest file that is read."""

NEEDED = ("hash", "salt", "flips", "score", "data", "labels", "random arm", "repoison", "retrain")
"""Checks without which a record has not been derived again."""

_WORDS = schema.text(r"[^\x00-\x1f\x7f]+", 2000)
_HEX = schema.text(r"[0-9a-f]{64}", 64)
_DOCUMENT = schema.table(
    schema=schema.one_of(1),
    record=_HEX,
    by=schema.text(r"\S([^\x00-\x1f\x7f]{0,98}\S)?", 100),
    date=schema.text(r"\d{4}-\d\d-\d\d", 10),
    cells=schema.integer(1),
    sandbox=schema.one_of("bubblewrap", "landlock"),
    environment=_HEX,
    version=schema.text(r"[0-9A-Za-z.+_-]+", 60),
    checks=schema.mapping(_WORDS, schema.text(r"[a-z][a-z -]*", 40), 100),
)


@dataclass(frozen=True)
class Verification:
    """One statement.

    Attributes:
        record: hash of the record it is about.
        by: who signs it.
        date: the day, ISO 8601.
        cells: cells that were trained again.
        path: the file it was read from.
    """

    record: str
    by: str
    date: str
    cells: int
    path: Path


def document(
    record: Record,
    checks: Sequence[Check],
    *,
    by: str,
    date: str,
    cells: int,
    sandbox: str,
    environment: str,
    version: str,
) -> dict[str, Any]:
    """The statement that these checks of a record passed.

    Args:
        by: who signs; not the record's author.
        date: today, ISO 8601.
        cells: cells that were trained again.
        sandbox: what the stored source ran in.
        environment: id of the environment in which the cells were trained again.
        version: of lnbench.

    Raises:
        RecordError: if a check failed, was skipped or is missing.
        ProtocolError: if the name is none, or the author's.
    """
    wrong = [check.name for check in checks if check.passed is not True]
    missing = [name for name in NEEDED if name not in {check.name for check in checks}]
    if wrong or missing:
        raise RecordError(f"nothing is signed: {', '.join(wrong + missing)} did not pass.")
    made = {
        "schema": 1,
        "record": record.sha256,
        "by": by,
        "date": date,
        "cells": cells,
        "sandbox": sandbox,
        "environment": environment,
        "version": version,
        "checks": {check.name: check.sentence for check in checks},
    }
    try:
        _DOCUMENT.one(made)
    except schema.Wrong as wrong_part:
        raise ProtocolError(f"the verification cannot be written: {wrong_part}.") from None
    if by.strip().casefold() == str(record.document["poisoner"]["author"]).strip().casefold():
        raise ProtocolError(f"{by!r} is the record's author; a verification is somebody else's.")
    return made


def write(made: dict[str, Any], record: Record, folder: str | Path) -> Path:
    """Write a statement to `<folder>/<track>/<record>-<signer>.json`, whole or not at all.

    Raises:
        UnavailableError: if the place cannot be written.
    """
    signer = re.sub(r"[^a-z0-9]+", "-", made["by"].lower()).strip("-")[:40] or "somebody"
    path = Path(folder) / record.track.name / f"{Path(record.filename).stem}-{signer}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, canonical_json(made))
    except OSError as error:
        raise UnavailableError(f"the verification cannot be written to {path}: {error.strerror}.") from None
    return path


def read(path: str | Path) -> Verification:
    """The statement in a file.

    Raises:
        RecordError: in one sentence, if it is none.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise RecordError(f"{path}: it cannot be read ({error.strerror}).") from None
    try:
        return parse(data, path)
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from None


def parse(data: bytes, path: Path) -> Verification:
    """The statement in some bytes, read from `path`; see `read`."""
    if len(data) > LARGEST:
        raise RecordError(f"it is larger than {LARGEST >> 20} MiB, the most a verification may be.")
    try:
        made = json.loads(data.decode("ascii"))
        same = canonical_json(made) == data
    except (ValueError, RecursionError) as error:
        raise RecordError(f"it is not JSON: {str(error)[:120]}.") from None
    if not same:
        raise RecordError("it is not in canonical form (sorted keys, no spaces, each key once).")
    try:
        _DOCUMENT.one(made)
    except schema.Wrong as wrong:
        raise RecordError(f"{wrong}.") from None
    if missing := [name for name in NEEDED if name not in made["checks"]]:
        raise RecordError(f"it does not say that {', '.join(missing)} passed.")
    return Verification(made["record"], made["by"], made["date"], made["cells"], path)


def read_all(folder: Path) -> dict[str, tuple[Verification, ...]]:
    """The statements in `<folder>/<track>/*.json` by the record's hash; raises as `read`."""
    found: dict[str, tuple[Verification, ...]] = {}
    for path in sorted(folder.glob("*/*.json"), key=lambda p: p.relative_to(folder).as_posix()):
        verification = read(path)
        found[verification.record] = (*found.get(verification.record, ()), verification)
    return found
