"""Audits on the board: shown where they follow from their own bits, refused otherwise."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import factories
from lnbench import record as records
from lnbench.board import load, markdown, page
from lnbench.errors import RecordError
from lnbench.protocol import canonical_json
from lnbench.record import audits
from lnbench.record.folder import audit_beside
from lnbench.record.record import Record

TRACK = factories.small(4, 2)


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK)


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
    factories.write_audit(audit_beside(path), factories.audit(made))
    table = load(path.parents[1]).tables[0]
    shown = table.rows[0].audit
    assert shown is not None
    assert shown.drop_pp is not None and shown.drop_pp > table.rows[0].drop  # one more poisoned point is broken
    assert (shown.survives, shown.found, shown.found_random) == (True, 0.75, 0.5)
    assert "75.0 (random 50.0)" in markdown.render(load(path.parents[1]), "records", None)
    assert {"audit, pp", "found, %"} <= set(page.columns(table))
    assert table.rows[0].strong_damages is None  # its track has no damage radius
    assert not {"audit, damage, pp", "audit, damage rank"} & set(page.columns(table))


def _another_score(document: dict[str, Any]) -> None:
    document["score"]["drop_pp"] += 1.0


def _another_record(document: dict[str, Any]) -> None:
    document["record"] = "0" * 64


def _one_victim_less(document: dict[str, Any]) -> None:
    document["victims"].pop()


def _one_victim_more(document: dict[str, Any]) -> None:
    document["victims"].append({**document["victims"][0], "split": 99})


def _another_conclusion(document: dict[str, Any]) -> None:
    document["survives"] = not document["survives"]


def _too_few_counted(document: dict[str, Any]) -> None:
    document["reproduced"] = [1, 1]


def _nothing_attacked(document: dict[str, Any]) -> None:
    for victim in document["victims"]:
        victim["bits"] = {}


def _one_goal_less(document: dict[str, Any]) -> None:
    del document["victims"][0]["bits"]["untargeted"]


def _a_weak_adversary(document: dict[str, Any]) -> None:
    document["strength"]["steps"] = 0


def _more_found_than_there_are(document: dict[str, Any]) -> None:
    document["detectability"]["recall"]["k"]["random"] = 9.99


def _a_word_found(document: dict[str, Any]) -> None:
    document["detectability"]["recall"]["k"]["poisoned"] = "all"


def _nonsense(document: dict[str, Any]) -> None:
    document["victims"] = 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_another_score, "its score does not follow from its bits"),
        (_another_record, "it is not the audit of the record"),
        (_one_victim_less, "it is not an audit as `lnbench audit` writes them"),
        (_one_victim_more, "it has victims that the record has not"),
        (_another_conclusion, "it does not say of the record's conclusion what its bits say"),
        (_too_few_counted, "it does not count the record's victims"),
        (_nothing_attacked, "bits: expected those of targeted, untargeted, got none"),
        (_one_goal_less, "bits: expected those of targeted, untargeted, got targeted"),
        (_a_weak_adversary, "strength: expected .*'steps': 50"),
        (_more_found_than_there_are, "detectability: expected shares from 0 to 1"),
        (_a_word_found, "detectability: expected shares from 0 to 1"),
        (_nonsense, "it is not an audit as `lnbench audit` writes them"),
    ],
)
def test_an_audit_that_contradicts_itself_is_refused(
    made: Record, tmp_path: Path, change: Callable[[dict[str, Any]], None], words: str
) -> None:
    document = copy.deepcopy(factories.audit(made))
    change(document)
    with pytest.raises(RecordError, match=words):
        audits.read(factories.write_audit(tmp_path / "audit.json", document), made)


def test_an_audit_is_refused_that_spares_what_the_record_broke(made: Record, tmp_path: Path) -> None:
    path = factories.write_audit(tmp_path / "audit.json", factories.audit(made, spare=True))
    with pytest.raises(RecordError, match="spares a point"):
        audits.read(path, made)


def test_an_audit_of_victims_that_came_out_otherwise_says_so_on_the_board(made: Record, tmp_path: Path) -> None:
    """It may spare what the record broke: so it is not shown as an audit of the record's own victims."""
    path = tmp_path / "leaderboard" / "records" / TRACK.name / made.filename
    path.parent.mkdir(parents=True)
    records.write(made, path)
    document = factories.audit(made, spare=True)
    same, total = document["reproduced"]
    factories.write_audit(audit_beside(path), {**document, "reproduced": [same - 1, total]})
    table = load(path.parents[1]).tables[0]
    shown = table.rows[0].audit
    assert shown is not None and not shown.reproduced
    assert "of victims that came out otherwise" in markdown.audit(table.rows[0])


def test_a_changed_file_is_not_what_it_was(made: Record, tmp_path: Path) -> None:
    path = factories.write_audit(tmp_path / "audit.json", factories.audit(made))
    path.write_bytes(path.read_bytes().replace(b'"survives":true', b'"survives":false'))
    with pytest.raises(RecordError, match="sha256 is not that of its contents"):
        audits.read(path, made)
    path.write_bytes(canonical_json({}))
    with pytest.raises(RecordError, match="not an audit"):
        audits.read(path, made)


def test_what_is_no_file_is_no_audit(made: Record) -> None:
    with pytest.raises(RecordError, match="/dev/zero: expected a file"):
        audits.read(Path("/dev/zero"), made)
