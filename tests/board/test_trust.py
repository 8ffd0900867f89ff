"""The trust column: seasons that are closed, and rows that somebody derived again."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import factories
from doors import force, put
from lnbench import record
from lnbench.board import build, levels, load
from lnbench.errors import RecordError
from lnbench.protocol import PUBLIC_SALT, canonical_json, own_salt, sha256
from lnbench.record import seasons, statement
from lnbench.record.consistency import Check

TRACK = factories.small(2, 1)


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty leaderboard; one track ships."""
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK)
    (tmp_path / "leaderboard" / "records").mkdir(parents=True)
    return tmp_path / "leaderboard"


def test_a_closed_season_keeps_its_rows_and_takes_no_more(board: Path) -> None:
    path = board / "seasons.toml"
    path.write_text(f'[s1]\ncommitment = "{seasons.commitment("secret")}"\nopened = "2026-01-01"\n')
    kept = put(board, factories.make(TRACK, season="s1", salt="secret", name="early"))
    sha256 = record.read(kept).sha256
    seasons.close_season(path, "s1", "secret", [sha256], datetime.date(2026, 2, 1))
    assert load(board / "records").tables[0].rows[0].record.sha256 == sha256
    late = factories.make(TRACK, season="s1", salt="secret", name="late")
    with pytest.raises(RecordError, match="closed on 2026-02-01 without it"):
        put(board, late)
    late_path = force(board, late)
    with pytest.raises(RecordError, match=f"{late_path.name}: season 's1' closed"):
        load(board / "records")
    late_path.unlink()
    kept.unlink()
    with pytest.raises(RecordError, match=f"{sha256[:12]}… of a closed season is missing"):
        load(board / "records")


def test_a_name_under_a_statement_is_said_and_nothing_more(board: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = factories.make(TRACK)
    put(board, made)
    assert load(board / "records").tables[0].rows[0].trust == "self"
    checks = [Check(name, True, "it holds.") for name in statement.NEEDED]
    words: dict[str, Any] = {"by": "A. <b>Reader", "date": "2026-11-22", "cells": 4, "sandbox": "bubblewrap"}
    signed = statement.document(made, checks, **words, environment="e" * 64, version="0.1.0")
    path = statement.write(signed, made, board / "verifications")
    assert load(board / "records").tables[0].rows[0].trust == "said by “A. <b>Reader”"
    build(board / "records", board)
    page = (board / "index.html").read_text()
    assert "| said by “A. &lt;b&gt;Reader” |" in (board / "README.md").read_text()
    assert "A. &lt;b&gt;Reader, 2026-11-22" in page and "<dt>verified by" not in page
    monkeypatch.setattr(levels, "statement_is_signed", lambda statement: True)
    assert load(board / "records").tables[0].rows[0].trust == "verified"
    statement.write({**signed, "record": "a" * 64}, made, board / "verifications")
    with pytest.raises(RecordError, match=rf"{path.name}: it is about a record a{{12}}…, which is not on the board"):
        load(board / "records")


def test_a_statement_about_the_record_on_own_splits_stands_with_those(board: Path) -> None:
    source = '"""Its own."""\n'
    salt = own_salt(TRACK.sha256, sha256(source.encode()), {})
    public, own = (factories.make(TRACK, source=source, salt=one) for one in (PUBLIC_SALT, salt))
    for made in (public, own):
        force(board, made)
    checks = [Check(name, True, "it holds.") for name in statement.NEEDED]
    words: dict[str, Any] = {"by": "Ada", "date": "2026-11-22", "cells": 4, "sandbox": "bubblewrap"}
    signed = statement.document(own, checks, **words, environment="e" * 64, version="0.1.0")
    statement.write(signed, own, board / "verifications")
    (row,) = load(board / "records").tables[0].rows
    assert row.trust == "own splits (said by “Ada”)" and not row.statements
    assert levels.trust(None, False, row.own_statements, own_splits=()) == "own splits, said by “Ada”"


def test_a_name_cannot_pass_for_a_level() -> None:
    said: list[Any] = [SimpleNamespace(by=by, verified=False) for by in ("X”, verified, “Y", "season")]
    assert levels.trust(None, False, said) == "said by “X, verified, Y”, “season”"


@pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")
def test_a_signature_by_a_key_that_the_board_knows_verifies_a_row(board: Path, tmp_path: Path) -> None:
    made = factories.make(TRACK)
    put(board, made)
    checks = [Check(name, True, "it holds.") for name in statement.NEEDED]
    key = tmp_path / "ada"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    words: dict[str, Any] = {"by": "Ada B.", "date": "2026-11-22", "cells": 4, "sandbox": "bubblewrap"}
    signed = statement.document(made, checks, **words, environment="e" * 64, version="0.1.0", key=key)
    path = statement.write(signed, made, board / "verifications")
    with pytest.raises(RecordError, match=r"its signature is not by a key that .*allowed_signers has for .*Ada B"):
        load(board / "records")
    kind, public, *_ = key.with_suffix(".pub").read_text().split()
    (board / "allowed_signers").write_text(f"ada-b {kind} {public}\n")
    assert load(board / "records").tables[0].rows[0].trust == "verified"
    path.write_bytes(canonical_json({**signed, "cells": 2}))
    with pytest.raises(RecordError, match="its signature is not by a key"):
        load(board / "records")
    path.write_bytes(canonical_json({**signed, "signature": signed["signature"].replace("-----BEGIN", "----BEGIN")}))
    with pytest.raises(RecordError, match="signature: expected an armoured signature of OpenSSH"):
        load(board / "records")
