"""Old records always load: one file of each kind that was ever written, frozen, and the fields that they have.

A file in `golden` is never changed. A record's schema that gains, loses or renames a field is a new version: raise
`record.SCHEMA`, keep the reader of the old one, and run `python tests/record/test_golden.py`, which adds a file of the
new one. A field that only records of new tracks have (the damage, the draws of the random arm) may join a version:
records without it read as before, and a file with it is added.
"""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "golden"
if __name__ == "__main__":
    sys.path[:0] = [str(FOLDER.parent), str(FOLDER.parents[1])]

import factories  # noqa: E402
from lnbench import record  # noqa: E402
from lnbench.errors import RecordError  # noqa: E402
from lnbench.protocol import canonical_json, own_salt, sha256  # noqa: E402
from lnbench.record import statement  # noqa: E402
from lnbench.record.consistency import Check, checks  # noqa: E402

DIGESTS = json.loads((FOLDER / "digests.json").read_text()) if (FOLDER / "digests.json").exists() else {}
"""File -> hash that it must have for ever."""

FREE = {"parameters", "parts", "document", "curve", "per_architecture"}
"""Objects whose keys are not the schema's."""


def fields(value: Any, path: str = "") -> Iterator[str]:
    """The path of every field of a document, list entries and free keys as `*`."""
    if isinstance(value, dict):
        free = path.rpartition(".")[2] in FREE
        for key, inner in value.items():
            step = f"{path}.{'*' if free else key}"
            yield step
            if not path.endswith(("track.document", ".parts", ".parameters")):
                yield from fields(inner, step)
    elif isinstance(value, list):
        for inner in value:
            yield from fields(inner, f"{path}[]")


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object whose keys are the schema's, the first entry of a list for all."""
    if isinstance(value, dict):
        yield value
        for key, inner in value.items():
            if key in FREE and key not in ("curve", "per_architecture"):
                continue
            for entry in inner.values() if key in FREE else [inner]:
                yield from objects(entry)
    elif isinstance(value, list):
        for inner in value[:1]:
            yield from objects(inner)


def golden(kind: str) -> list[Path]:
    """The frozen files of a kind."""
    return sorted(FOLDER.glob(f"{kind}-*.json"))


def variants() -> dict[str, record.Record]:
    """The kinds of record that the current schema can say."""
    small = factories.small(2, 1)
    second = factories.track(
        noise={"budget": 4, "eta": 0.00446, "pairs": [[9, 0], [3, 8]], "rotate": True},
        damage={"epsilon": 0.03},
        replication={"splits": 2, "seeds": 1, "quick_splits": 2, "quick_seeds": 1, "random_draws": 2},
    )
    own = own_salt(second.sha256, sha256(factories.SOURCE.encode()), {})

    def diverged(victim: dict[str, Any]) -> None:
        victim["diverged"] = (victim["arm"], victim["split"]) == ("random", 0)

    return {
        "plain": factories.make(small),
        "season": factories.make(small, season="s1", salt="pepper"),
        "two-scores": factories.make(second, salt=own),
        "flagged": factories.make(
            small, quick=True, sandbox="landlock", parameters={"a": 1, "b": 0.5, "c": "x", "d": True}, change=diverged
        ),
    }


def test_there_is_a_file_of_every_version_and_none_was_changed() -> None:
    versions = {json.loads(path.read_bytes())["schema"] for path in golden("record")}
    assert versions == set(range(1, record.SCHEMA + 1))
    assert {path.name: sha256(path.read_bytes()) for path in FOLDER.glob("*-*.json")} == DIGESTS


@pytest.mark.parametrize("path", golden("record"), ids=lambda path: path.stem)
def test_an_old_record_loads_and_still_follows_from_its_bits(path: Path) -> None:
    read = record.read(path)
    assert canonical_json(read.document) == path.read_bytes()
    assert [check for check in checks(read) if not check.passed] == []
    assert read.verdict and read.label and read.track.victims


@pytest.mark.parametrize("path", golden("verification"), ids=lambda path: path.stem)
def test_an_old_verification_loads(path: Path) -> None:
    assert statement.read(path).by == "A. Reader"


def test_the_schema_has_not_drifted() -> None:
    """What is written today has the fields of the frozen files of the same version, no more and no less."""
    now = {field for made in variants().values() for field in fields(made.document)}
    current = [json.loads(path.read_bytes()) for path in golden("record")]
    frozen = {field for document in current if document["schema"] == record.SCHEMA for field in fields(document)}
    assert len(frozen) > 100
    assert now == frozen, "a field came or went: that is a new version of the record, see the top of this file"


@pytest.mark.parametrize("change", ["added", "removed"])
def test_a_reader_knows_exactly_its_versions_fields(change: str) -> None:
    """So a version's reader cannot be widened or narrowed unnoticed."""
    (path,) = FOLDER.glob("record-1-plain.json")
    whole = json.loads(path.read_bytes())
    spots = len(list(objects(whole)))
    assert spots > 20
    for spot in range(spots):
        for key in ["a_new_field"] if change == "added" else sorted(list(objects(whole))[spot]):
            document = copy.deepcopy(whole)
            place = list(objects(document))[spot]
            if change == "added":
                place[key] = 0
            else:
                del place[key]
            with pytest.raises(RecordError):
                record.parse(canonical_json(rehashed(document)))


def rehashed(document: dict[str, Any]) -> dict[str, Any]:
    """With its hash made to fit, so that the schema alone can refuse it."""
    return {**document, "sha256": record.digest(document)} if "sha256" in document else document


def freeze() -> None:
    """Write the files of the current version that are not there yet; never touches one that is."""
    FOLDER.mkdir(exist_ok=True)
    made = variants()
    for name, one in made.items():
        path = FOLDER / f"record-{record.SCHEMA}-{name}.json"
        if not path.exists():
            record.write(one, path)
    path = FOLDER / "verification-1.json"
    if not path.exists():
        held = [Check(name, True, f"{name} holds.") for name in statement.NEEDED]
        words: dict[str, Any] = {"by": "A. Reader", "date": "2026-11-22", "cells": 4, "sandbox": "bubblewrap"}
        signed = statement.document(made["plain"], held, **words, environment="e" * 64, version="0.1.0")
        path.write_bytes(canonical_json(signed))
    digests = {p.name: sha256(p.read_bytes()) for p in sorted(FOLDER.glob("*-*.json"))} | DIGESTS
    (FOLDER / "digests.json").write_text(json.dumps(digests, indent=1) + "\n")


if __name__ == "__main__":
    freeze()
