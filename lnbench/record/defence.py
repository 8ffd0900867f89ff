"""A defence's record: one defence against one attack, as one canonical JSON file.

It holds the attack's own record whole, so that the undefended numbers stand beside the defended ones and are checked as
any record's are. The hash covers everything but `run` and itself.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import UNSET

from lnbench.errors import RecordError, UnavailableError
from lnbench.files import RefusedError, parse_canonical, read_at_most, write_atomically
from lnbench.protocol import canonical_json, sha256_json
from lnbench.protocol.documents import WrongError
from lnbench.protocol.documents import read as read_document
from lnbench.record import record as records
from lnbench.record.defence_schema import DEFENCE_SCHEMA, DefenceDocument, DefendedVictim, Outcome
from lnbench.record.defence_score import outcome
from lnbench.record.derived import rounded
from lnbench.record.record import Record
from lnbench.record.soundness import sound
from lnbench.record.tables import Tables

REPORTED = frozenset({"non-deterministic", "no-sandbox", "other-environment"})
"""Flags of its own that only the run can know."""


@dataclass(frozen=True, eq=False)
class DefenceRecord:
    """One evaluation of one defence.

    Attributes:
        document: the JSON object; not to be changed.
        contents: the same in its types.
        undefended: the attack's record.
    """

    document: Mapping[str, Any]
    contents: DefenceDocument
    undefended: Record

    @property
    def name(self) -> str:
        """The defence's name: its file's stem."""
        return self.contents.defender.name

    @property
    def label(self) -> str:
        """Name and non-default parameters, as in `early_stopping(share=0.2)`."""
        parameters = self.contents.defender.parameters
        shown = ", ".join(f"{k}={v}" for k, v in sorted(parameters.items()))
        return f"{self.name}({shown})" if shown else self.name

    @property
    def outcome(self) -> Outcome:
        """What the defence achieved, as the record states it."""
        return self.contents.outcome

    @property
    def flags(self) -> tuple[str, ...]:
        """What a reader should know."""
        return self.contents.flags

    @property
    def sha256(self) -> str:
        """Hash of everything but `run` and itself."""
        return self.contents.sha256

    @property
    def filename(self) -> str:
        """`<defence>-against-<attack>-<first 8 digits of the hash>.json`, safe in any file system."""
        names = [re.sub(r"[^A-Za-z0-9_]+", "-", n).strip("-")[:40] or "x" for n in (self.name, self.undefended.name)]
        return f"{names[0]}-against-{names[1]}-{self.sha256[:8]}.json"

    @functools.cached_property
    def tables(self) -> Tables:
        """The defended victims as arrays.

        Raises:
            RecordError: if they are not exactly those of the attack's record.
        """
        return Tables(self.undefended.track, self.undefended.replication, self.contents.victims)

    @functools.cached_property
    def derived(self) -> dict[str, Any]:
        """The block `outcome` as it follows from the victims and treatments.

        Raises:
            RecordError: if they do not fit each other.
        """
        holds = sound(self.document["undefended"]["flips"], self.document["treated"], self.document["treatments"])
        certified = any(victim.certified for victim in self.contents.victims)
        made = outcome(self.undefended.tables, self.tables, self.contents.victims, holds if certified else None)
        block: dict[str, Any] = rounded(msgspec.to_builtins(made))
        return block


def assemble(
    *,
    undefended: Record,
    defender: Mapping[str, Any],
    told_budget: int | None,
    treatments: Mapping[str, Any],
    treated: Mapping[str, Any],
    victims: Sequence[Mapping[str, Any]],
    environment: Mapping[str, Any],
    code_sha256: str,
    sandbox: str,
    run: Mapping[str, Any],
    flags: Sequence[str] = (),
) -> DefenceRecord:
    """The record of one defence: outcome, flags and hash follow from the parts.

    Args:
        undefended: the attack's record.
        victims: the defended ones, in the order of the attack's record.
        flags: those of `REPORTED` that the run raised; the attack's own are added.
        defender, treatments, treated, environment, run: the blocks of these names; `lnbench.record.defence_schema` has
            their fields.

    Raises:
        RecordError: if a part is malformed or a victim is missing.
    """
    document: dict[str, Any] = {
        "defence_schema": DEFENCE_SCHEMA,
        "defender": defender,
        "told_budget": told_budget,
        "undefended": dict(undefended.document),
        "treatments": treatments,
        "treated": treated,
        "victims": victims,
        "flags": all_flags(undefended, flags),
        "environment": environment,
        "code_sha256": code_sha256,
        "sandbox": sandbox,
        "run": run,
    }
    try:
        tables = Tables(undefended.track, undefended.replication, read_document(victims, tuple[DefendedVictim, ...]))
    except WrongError as wrong:
        raise RecordError(f"a defended victim is malformed: {wrong}") from None
    known: Any = tables.victims
    holds = sound(document["undefended"]["flips"], treated, treatments)
    certified = any(victim.certified for victim in known)
    made = outcome(undefended.tables, tables, known, holds if certified else None)
    document["outcome"] = rounded(msgspec.to_builtins(made))
    document["sha256"] = digest(document)
    return parse(canonical_json(document))


def all_flags(undefended: Record, reported: Sequence[str]) -> list[str]:
    """The flags of a defence's record: its own, and the attack's behind `attack:`."""
    return sorted({*reported, *(f"attack:{flag}" for flag in undefended.flags)})


def digest(document: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON of all but `run` and `sha256`; of the attack's record its own hash stands there."""
    inside = {name: value for name, value in document.items() if name not in ("run", "sha256", "undefended")}
    return sha256_json({**inside, "undefended": document["undefended"]["sha256"]})


def is_defence(path: str | Path) -> bool:
    """Whether a file looks like a defence's record, by its first bytes: canonical JSON begins with `code_sha256`."""
    try:
        return b'"defence_schema":' in read_at_most(Path(path), records.LARGEST)[:1024]
    except OSError:
        return False


def read(path: str | Path) -> DefenceRecord:
    """The record in a file.

    Raises:
        RecordError: in one sentence, if the file cannot be read, is not canonical JSON, breaks the schema, holds an
            attack's record that is not one, or has another hash than it states.
    """
    path = Path(path)
    try:
        data = read_at_most(path, records.LARGEST)
    except OSError as error:
        raise RefusedError("file", f"{path}: it cannot be read ({error.strerror}).") from None
    try:
        return parse(data)
    except RefusedError as error:
        raise RefusedError(error.check, f"{path}: {error}") from None


def parse(data: bytes) -> DefenceRecord:
    """The record in some bytes; see `read`."""
    document = parse_canonical(data, records.LARGEST)
    try:
        contents = read_document(document, DefenceDocument)
    except WrongError as wrong:
        raise RefusedError("schema", str(wrong)) from None
    undefended = records.parse(canonical_json(document["undefended"]))
    if (came := digest(document)) != contents.sha256:
        raise RefusedError("hash", f"its content has sha256 {came[:12]}…, it states {contents.sha256[:12]}….")
    _check_treated(contents, undefended)
    return DefenceRecord(document, contents, undefended)


def _check_treated(contents: DefenceDocument, undefended: Record) -> None:
    """Refuse a record that does not name a treatment, of those that it holds, for every set of labels."""
    flips, treated = undefended.document["flips"], contents.treated
    splits = undefended.replication.splits
    for arm in ("clean", "random", "poisoned", "matched"):
        named: Any = getattr(treated, arm)
        if (named is UNSET) != (arm not in ("clean", *flips)):
            raise RefusedError(
                "schema", f"treated.{arm} stands where the attack's record has no such arm, or is missing."
            )
        if named is UNSET:
            continue
        rows = [(row,) if isinstance(row, str) else row for row in named]
        sets = [1 if arm in ("clean", "poisoned") else len(flips[arm][split]) for split in range(splits)]
        if (came := [len(row) for row in rows]) != sets:
            raise RefusedError(
                "schema",
                f"treated.{arm} names {sum(came)} treatments, expected one for each of {sum(sets)} sets of labels.",
            )
        if missing := sorted({sha for row in rows for sha in row} - contents.treatments.keys()):
            raise RefusedError("schema", f"treated.{arm} names a treatment {missing[0][:12]}… that is not here.")


def write(record: DefenceRecord, path: str | Path) -> None:
    """Write the canonical JSON to a file, whole or not at all; folders are made.

    Raises:
        UnavailableError: if the disk is full or the place cannot be written.
    """
    try:
        write_atomically(Path(path), canonical_json(record.document), parents=True)
    except OSError as error:
        raise UnavailableError(f"the record cannot be written to {path}: {error.strerror}.") from None
