"""A statement: somebody's signed claim, in one canonical JSON file, that they derived a record again and how.

It says that every check of `lnbench verify --repoison --retrain N` passed, none skipped, on the signer's machine. A
statement that is only named is a claim that anybody could have written. One with a signature by a key that the board's
`allowed_signers` has under that name is its owner's; see `lnbench.record.signature`.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from lnbench.errors import ProtocolError, RecordError, UnavailableError
from lnbench.files import parse_canonical, read_at_most, write_atomically
from lnbench.protocol import canonical_json, draws_of
from lnbench.protocol import documents as typed
from lnbench.protocol.documents import AtLeastOne, Part, Sha256, WrongError, show, whole
from lnbench.record import dates, signature
from lnbench.record.consistency import Check
from lnbench.record.record import Record

LARGEST = 1 << 20
"""Bytes of the largest file that is read."""

NEEDED = ("hash", "salt", "flips", "score", "data", "labels", "random arm", "repoison", "retrain")
"""Checks without which a record has not been derived again."""

_Sentence = Annotated[
    str, Meta(pattern=whole(r"[^\x00-\x1f\x7f]{1,2000}"), description="a line of 1 … 2000 characters")
]
_CheckName = Annotated[str, Meta(pattern=whole("[a-z][a-z -]{0,39}"), description="the name of a check")]
_Signer = Annotated[
    str,
    Meta(pattern=whole(r"\S([^\x00-\x1f\x7f]{0,98}\S)?"), max_length=100, description="a name on one line"),
]
_Signature = Annotated[
    str,
    Meta(
        pattern=whole(r"-----BEGIN SSH SIGNATURE-----\n[A-Za-z0-9+/=\n]{1,4000}\n-----END SSH SIGNATURE-----\n"),
        max_length=4096,
        description="an armoured signature of OpenSSH",
    ),
]


class StatementDocument(Part, frozen=True):
    """The file.

    Attributes:
        record: hash of the record it is about.
        by: who signs it, not the record's author.
        date: the day, since the project began and not in the future.
        cells: cells that were trained again.
        sandbox: what the stored source ran in.
        environment: id of the environment in which the cells were trained again.
        version: of lnbench.
        checks: every check that passed, and its sentence.
        signature: by OpenSSH, of the canonical JSON of all other fields; UNSET if there is none.
    """

    schema: Literal[1]
    record: Sha256
    by: _Signer
    date: datetime.date
    cells: AtLeastOne
    sandbox: Literal["bubblewrap", "landlock"]
    environment: Sha256
    version: Annotated[str, Meta(pattern=whole("[0-9A-Za-z.+_-]{1,60}"), description="a version")]
    checks: Annotated[dict[_CheckName, _Sentence], Meta(max_length=100)]
    signature: _Signature | UnsetType = UNSET


@dataclass(frozen=True)
class Statement:
    """One statement.

    Attributes:
        record: hash of the record it is about.
        by: who signs it.
        date: the day, ISO 8601.
        cells: cells that were trained again.
        path: the file it was read from.
        signed: the bytes that its signature is of.
        signature: armoured, or empty.
        verified: whether the signature was checked against the board's list of signers and is by the one who is named.
    """

    record: str
    by: str
    date: str
    cells: int
    path: Path
    signed: bytes = b""
    signature: str = ""
    verified: bool = False


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
    key: Path | None = None,
) -> dict[str, Any]:
    """The statement that these checks of a record passed.

    Args:
        by: who signs; not the record's author.
        date: today, ISO 8601.
        cells: cells that were trained again.
        sandbox: what the stored source ran in.
        environment: id of the environment in which the cells were trained again.
        version: of lnbench.
        key: an OpenSSH key to sign it with; without one it only bears a name.

    Raises:
        RecordError: if a check failed, was skipped or is missing.
        ProtocolError: if the statement could not be read again: a name that is not one or the author's, a date that
            cannot be true, more cells than the record has victims; or if the key cannot sign.
        UnavailableError: if OpenSSH is not installed.
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
        check_against(parse(canonical_json(made), Path()), record)
    except RecordError as refused:
        raise ProtocolError(f"the statement cannot be written: {refused}") from None
    return made if key is None else {**made, "signature": signature.sign(canonical_json(made), key)}


def write(made: dict[str, Any], record: Record, folder: str | Path) -> Path:
    """Write a statement to `<folder>/<track>/<record>-<signer>.json`, whole or not at all.

    Raises:
        UnavailableError: if the place cannot be written.
    """
    name = f"{Path(record.filename).stem}-{signature.principal(made['by'])}.json"
    path = Path(folder) / record.track.name / name
    try:
        write_atomically(path, canonical_json(made), parents=True)
    except OSError as error:
        raise UnavailableError(f"the statement cannot be written to {path}: {error.strerror}.") from None
    return path


def read(path: str | Path) -> Statement:
    """The statement in a file.

    Raises:
        RecordError: in one sentence, if it is not one.
    """
    path = Path(path)
    try:
        return parse(read_at_most(path, LARGEST), path)
    except OSError as error:
        raise RecordError(f"{path}: it cannot be read ({error.strerror}).") from None
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from None


def parse(data: bytes, path: Path) -> Statement:
    """The statement in some bytes, read from `path`; see `read`."""
    try:
        values = parse_canonical(data, LARGEST)
        made = typed.read(values, StatementDocument)
    except WrongError as wrong:
        raise RecordError(str(wrong)) from None
    try:
        dates.check_signing(made.date)
    except ValueError as expected:
        raise RecordError(f"date: expected {expected}, got {made.date}.") from None
    if missing := [name for name in NEEDED if name not in made.checks]:
        raise RecordError(f"it does not say that {', '.join(missing)} passed.")
    return Statement(
        made.record,
        made.by,
        made.date.isoformat(),
        made.cells,
        path,
        canonical_json({name: value for name, value in values.items() if name != "signature"}),
        made.signature or "",
    )


def check_against(statement: Statement, record: Record) -> None:
    """Check a statement against the record that it is about.

    Raises:
        RecordError: if it is about another record, claims more cells than the record has victims or too few to have
            seen every arm, or is signed by the record's own author.
    """
    if statement.record != record.sha256:
        raise RecordError(f"it is about the record {statement.record[:12]}…, this one is {record.sha256[:12]}….")
    size = record.replication
    victims = len(record.track.victims) * len(draws_of(record.track)) * size.splits * size.seeds
    if statement.cells > victims:
        raise RecordError(f"cells: expected at most the record's {victims} victims, got {statement.cells}.")
    if statement.cells < (least := 2 * len(record.track.victims)):  # else one of them could all be invented
        raise RecordError(
            f"cells: expected at least {least}, one of the random and of the poisoned arm of each architecture, got "
            f"{statement.cells}."
        )
    if {_folded(statement.by), signature.principal(statement.by)} & _names(record.poisoner.author):
        raise RecordError(f"by: expected somebody other than the record's author, got {show(statement.by)}.")


def check_all(statements: Sequence[Statement], record: Record) -> None:
    """Check statements that were read from files against the record that they are about; raises as `check_against`."""
    for statement in statements:
        try:
            check_against(statement, record)
        except RecordError as error:
            raise RecordError(f"{statement.path}: {error}") from None


def read_all(folder: Path) -> dict[str, tuple[Statement, ...]]:
    """The statements in `<folder>/<track>/*.json` by the record's hash, their signatures checked; raises as `read`.

    A signature that does not check out is an error, not a statement without one.
    """
    statements: dict[str, tuple[Statement, ...]] = {}
    for path in sorted(folder.glob("*/*.json"), key=lambda p: p.relative_to(folder).as_posix()):
        statement = read(path)
        if statement.signature:
            signers = folder.parent / signature.SIGNERS
            if not signature.signed_by(statement.signed, statement.signature, statement.by, signers):
                raise RecordError(
                    f"{path}: its signature is not by a key that {signers} has for {show(statement.by)}; add the key, "
                    "or leave the signature out."
                )
            statement = dataclasses.replace(statement, verified=True)
        statements[statement.record] = (*statements.get(statement.record, ()), statement)
    return statements


def _names(author: str) -> set[str]:
    """The forms in which an author's field names one who signs: the whole field, and each of several people."""
    people = [author, *re.split(r"[,;&/]|\band\b", author)]
    return {form(person) for person in people if person.strip() for form in (_folded, signature.principal)}


def _folded(name: str) -> str:
    """A name in the form in which two spellings of it are one: compatible characters, case and spaces aside."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
