"""Statements: who may sign what, and which files are believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import factories
from lnbench.errors import ProtocolError, RecordError, UnavailableError
from lnbench.protocol import canonical_json
from lnbench.record import statement
from lnbench.record.consistency import Check
from lnbench.record.record import Record

CHECKS = [Check(name, True, f"{name} holds.") for name in statement.NEEDED]


@pytest.fixture(scope="module")
def made() -> Record:
    return factories.make(factories.small(2, 1))


def signed(made: Record, checks: list[Check] = CHECKS, **changes: Any) -> dict[str, Any]:
    words: dict[str, Any] = {"by": "A. Reader", "date": "2026-11-22", "cells": 4, "sandbox": "bubblewrap"}
    words |= {"environment": "e" * 64, "version": "0.1.0"} | changes
    return statement.document(made, checks, **words)


def test_what_is_signed_is_read_back(made: Record, tmp_path: Path) -> None:
    path = statement.write(signed(made), made, tmp_path)
    assert path.relative_to(tmp_path).as_posix() == f"digits-9to0/made_up-{made.sha256[:8]}-a-reader.json"
    back = statement.read(path)
    assert (back.record, back.by, back.date, back.cells) == (made.sha256, "A. Reader", "2026-11-22", 4)
    statement.write(signed(made, by="Bo"), made, tmp_path)
    assert [v.by for v in statement.read_all(tmp_path)[made.sha256]] == ["A. Reader", "Bo"]
    assert statement.read_all(tmp_path / "none") == {}


def test_nothing_is_signed_that_failed_was_skipped_or_is_missing(made: Record) -> None:
    for verdict in (False, None):
        with pytest.raises(RecordError, match="nothing is signed: data did not pass"):
            signed(made, [Check(c.name, verdict if c.name == "data" else True, "x") for c in CHECKS])
    with pytest.raises(RecordError, match="nothing is signed: repoison did not pass"):
        signed(made, [c for c in CHECKS if c.name != "repoison"])


def test_nobody_verifies_their_own_row() -> None:
    def by_ada(block: dict[str, Any]) -> dict[str, Any]:
        return {**block, "author": "Ada "}

    poisoner = by_ada(dict(factories.make(factories.small(2, 1)).document["poisoner"]))
    own = factories.make(factories.small(2, 1), poisoner=poisoner)
    for name in ("ada", "ADA", "\uff21da"):
        with pytest.raises(ProtocolError, match="the record's author"):
            signed(own, by=name)
    assert signed(own, by="Bob")["by"] == "Bob"


@pytest.mark.parametrize("name", ["Jane-Doe", "Jane Doe.", "jane_doe", "A. Reader"])
def test_an_author_signs_under_no_other_spelling(name: str) -> None:
    """The key would be theirs all the same: the list has one name for all of these."""
    poisoner = {**factories.make(factories.small(2, 1)).document["poisoner"], "author": "Jane Doe and A. Reader"}
    own = factories.make(factories.small(2, 1), poisoner=poisoner)
    with pytest.raises(ProtocolError, match="the record's author"):
        signed(own, by=name)


@pytest.mark.parametrize(
    "change",
    [
        *({"by": by} for by in (" ", "a\nb")),
        *({"cells": cells} for cells in (0, 2**53)),
        *({"date": date} for date in ("today", "1999-01-01", "9999-01-01", "2026-13-01")),
        {"sandbox": "none"},
    ],
)
def test_a_statement_that_could_not_be_read_is_not_made(made: Record, change: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError, match="cannot be written"):
        signed(made, **change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("cells"), "the key 'cells' is missing"),
        (lambda d: d.update(more=1), "unknown key 'more'"),
        (lambda d: d.update(record="x"), "record: expected 64 hexadecimal digits"),
        (lambda d: d.update(schema=2), "schema: expected 1"),
        (lambda d: d.update(date="1999-12-31"), "date: expected a day from 2026-01-01 to tomorrow"),
        (lambda d: d.update(date="2025-12-31"), "date: expected a day from 2026-01-01 to tomorrow"),
        (lambda d: d.update(date="9999-01-01"), "date: expected a day from 2026-01-01 to tomorrow"),
        (lambda d: d.update(date="2026-02-30"), "date: expected a day like 2026-01-31, got '2026-02-30'"),
        (lambda d: d.update(date="2026-11-22T00:00:00Z"), "date: expected a day like"),
        (lambda d: d.update(date=20261122), "date: expected a day like"),
        (lambda d: d.update(cells=0), "cells: expected at least 1, got 0"),
        (lambda d: d.update(cells=True), "cells: expected an integer, got true"),
        (lambda d: d.update(cells=2**53 + 1), "cells: expected at most 9007199254740992"),
        (lambda d: d.update(by="A\nB"), "by: expected a name on one line"),
        (lambda d: d["checks"].pop("retrain"), "does not say that retrain passed"),
        (lambda d: d["checks"].update({"data": "\x1b[2J"}), "checks.data: expected a line of 1 … 2000 characters"),
    ],
)
def test_an_altered_statement_is_refused(made: Record, tmp_path: Path, change: Any, words: str) -> None:
    document = signed(made)
    change(document)
    path = tmp_path / "v.json"
    path.write_bytes(canonical_json(document))
    with pytest.raises(RecordError, match=words) as caught:
        statement.read(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_statement_is_checked_against_its_record(made: Record, tmp_path: Path) -> None:
    """Forged by hand, each is a file that is read without complaint."""
    author = {**made.document["poisoner"], "author": "Ada Lovelace"}
    ada = factories.make(factories.small(2, 1), poisoner=author)
    forgeries: dict[str, dict[str, Any]] = {
        "cells: expected at most the record's 12 victims, got 19": {"cells": 19},
        "cells: expected at least 4, one of the random and of the poisoned arm of each architecture, got 3": {
            "cells": 3
        },
        "by: expected somebody other than the record's author, got": {"by": "\uff41da  LOVELACE"},
        "it is about the record": {"record": "0" * 64},
    }
    path = tmp_path / "v.json"
    for words, change in forgeries.items():
        path.write_bytes(canonical_json({**signed(ada), **change}))
        with pytest.raises(RecordError, match=words) as caught:
            statement.check_all([statement.read(path)], ada)
        assert str(caught.value).startswith(f"{path}: ") and str(caught.value).isprintable()
    path.write_bytes(canonical_json(signed(ada, cells=12)))
    without = Record({k: v for k, v in ada.document.items() if k != "victims"}, ada.track)
    statement.check_all([statement.read(path)], without)


@pytest.mark.parametrize("data", [b"", b"{", b"[" * 9999, b"\xff", b"[]\n", b"{} \n", b"1" * 5000, b" " * (2 << 20)])
def test_bytes_that_are_no_statement_are_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "v.json").write_bytes(data)
    with pytest.raises(RecordError):
        statement.read(tmp_path / "v.json")
    with pytest.raises(RecordError, match="cannot be read"):
        statement.read(tmp_path / "none.json")


def test_a_place_that_cannot_be_written_is_said(made: Record, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="cannot be written"):
        statement.write(signed(made), made, tmp_path / "file")
    assert json.dumps(signed(made))
