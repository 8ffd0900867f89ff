"""Audits on the board: shown where they follow from their own bits, refused otherwise."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import factories
from lnbench import record as records
from lnbench.board import load, markdown, page
from lnbench.errors import RecordError
from lnbench.protocol import canonical_json, pack, sha256_json, unpack
from lnbench.record import audits
from lnbench.record.folder import audit_beside
from lnbench.record.record import Record
from lnbench.trust import audit

TRACK = factories.small(4, 2)


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK)


def made_audit(made: Record, spare: bool = False) -> dict[str, Any]:
    """An audit whose strong adversary breaks one more point of every poisoned victim, or one fewer."""
    found = {}
    for victim in made.document["victims"]:
        plain, n = victim["bits"], victim["clean"]["source_points"]
        strong = {goal: unpack(plain[goal], n).copy() for goal in audit.GOALS}
        if victim["arm"] == "poisoned":
            flags = strong["targeted"]
            flags[np.flatnonzero(flags if spare else ~flags)[0]] = not spare
        key = victim["architecture"], victim["split"], victim["seed"], victim["arm"], victim.get("draw")
        found[key] = {
            "plain": plain,
            "strong": {goal: pack(flags) for goal, flags in strong.items()},
            "broken": {goal: int(flags.sum()) for goal, flags in strong.items()},
            "doubts": {goal: {"black-box": 0.0} for goal in audit.GOALS},
        }
    document = audit._document(made, found, bool(made.score.fixed_test_set))
    document["detectability"] = {"recall": {"k": {"poisoned": 0.75, "random": 0.5}}}
    return document


def written(path: Path, document: dict[str, Any]) -> Path:
    document = {k: v for k, v in document.items() if k not in ("sha256", "run")}
    path.write_bytes(canonical_json({**document, "sha256": sha256_json(document), "run": {"seconds": 1.0}}))
    return path


@pytest.fixture
def made() -> Record:
    return factories.make(TRACK, effect=0.3)


def test_the_board_shows_the_audit_beside_a_record(made: Record, tmp_path: Path) -> None:
    path = tmp_path / "leaderboard" / "records" / TRACK.name / made.filename
    path.parent.mkdir(parents=True)
    records.write(made, path)
    bare = load(path.parents[1]).tables[0]
    assert bare.rows[0].audit is None
    assert "audit, pp" not in page.columns(bare)
    written(audit_beside(path), made_audit(made))
    table = load(path.parents[1]).tables[0]
    shown = table.rows[0].audit
    assert shown is not None
    assert shown.drop_pp is not None and shown.drop_pp > table.rows[0].drop  # one more poisoned point is broken
    assert (shown.survives, shown.found, shown.found_random) == (True, 0.75, 0.5)
    assert "75.0 (random 50.0)" in markdown.render(load(path.parents[1]), "records", None)
    assert {"audit, pp", "found, %"} <= set(page.columns(table))


def _another_score(document: dict[str, Any]) -> None:
    document["score"]["drop_pp"] += 1.0


def _another_record(document: dict[str, Any]) -> None:
    document["record"] = "0" * 64


def _one_victim_less(document: dict[str, Any]) -> None:
    document["victims"].pop()


def _one_victim_more(document: dict[str, Any]) -> None:
    document["victims"].append({**document["victims"][0], "split": 99})


def _nonsense(document: dict[str, Any]) -> None:
    document["victims"] = 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_another_score, "its score does not follow from its bits"),
        (_another_record, "it is not the audit of the record"),
        (_one_victim_less, "it is not an audit as `lnbench audit` writes them"),
        (_one_victim_more, "it has victims that the record has not"),
        (_nonsense, "it is not an audit as `lnbench audit` writes them"),
    ],
)
def test_an_audit_that_contradicts_itself_is_refused(
    made: Record, tmp_path: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    document = copy.deepcopy(made_audit(made))
    change(document)
    with pytest.raises(RecordError, match=words):
        audits.read(written(tmp_path / "audit.json", document), made)


def test_an_audit_is_refused_that_spares_what_the_record_broke(made: Record, tmp_path: Path) -> None:
    path = written(tmp_path / "audit.json", made_audit(made, spare=True))
    with pytest.raises(RecordError, match="spares a point"):
        audits.read(path, made)


def test_a_changed_file_is_not_what_it_was(made: Record, tmp_path: Path) -> None:
    path = written(tmp_path / "audit.json", made_audit(made))
    path.write_bytes(path.read_bytes().replace(b'"survives":true', b'"survives":false'))
    with pytest.raises(RecordError, match="sha256 is not that of its contents"):
        audits.read(path, made)
    path.write_bytes(canonical_json({}))
    with pytest.raises(RecordError, match="not an audit"):
        audits.read(path, made)
