"""A row's rank among committed rows, before and after the strong adversary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import factories
from lnbench.board import build
from lnbench.record.record import Record, read, write
from lnbench.trust import rank_stability

TRACK = factories.small(6, 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Records of a strong, a middling and a weak row, and one of another track's version."""
    records = tmp_path / "leaderboard" / "records"
    for name, effect in (("strong", 0.4), ("middling", 0.2), ("weak", 0.0)):
        _put(records, factories.make(TRACK, name=name, effect=effect, source=f"# {name}\n"))
    _put(records, factories.make(factories.small(5, 2), name="old", effect=0.4, source="# old\n"))
    return records


def _put(records: Path, made: Record) -> Path:
    path = records / made.track.name / made.filename
    write(made, path)
    return path


def _own() -> Record:
    return factories.make(TRACK, name="own", effect=0.3, source="# own\n", seed=7)


def test_rows_of_the_same_track_and_salt_are_compared(folder: Path) -> None:
    own = _own()
    _put(folder, own)
    rows, audits = rank_stability.others_in(folder, own)
    assert sorted(row.name for row in rows) == ["middling", "strong", "weak"] and audits == {}
    found = rank_stability.standing(own, own.score["split_drops_pp"], rows, audits)
    assert (found["rows"], found["place"], found["strong_place"]) == (4, 2, 2)
    assert found["ranks"] == found["strong_ranks"] == [2, 2]
    assert found["survives"]
    assert rank_stability.sentence(found).endswith("(0 of the others audited too): its rank survives.")


def test_a_quick_record_has_no_place_among_whole_ones(folder: Path) -> None:
    quick = factories.make(TRACK, name="own", effect=0.3, source="# own\n", seed=7, quick=True)
    rows, audits = rank_stability.others_in(folder, quick)
    assert rows == [] and audits == {}
    found = rank_stability.standing(quick, quick.score["split_drops_pp"], rows, audits)
    assert found["rows"] == 1 and rank_stability.sentence(found).startswith("No other row")


def test_a_score_that_falls_under_the_strong_adversary_loses_its_rank(folder: Path) -> None:
    own = _own()
    rows, audits = rank_stability.others_in(folder, own)
    found = rank_stability.standing(own, [d - 45 for d in own.score["split_drops_pp"]], rows, audits)
    assert (found["place"], found["strong_place"], found["survives"]) == (2, 4, False)
    assert "its rank does not survive" in rank_stability.sentence(found)


def test_an_audited_row_is_taken_at_its_strong_score(folder: Path) -> None:
    own = _own()
    (path,) = (folder / TRACK.name).glob("strong-*.json")
    (other,) = [row for row in rank_stability.others_in(folder, own)[0] if row.name == "strong"]
    drops = [d - 60 for d in other.score["split_drops_pp"]]
    audit = {"kind": "audit", "record": other.sha256, "score": {"split_drops_pp": drops}}
    beside = path.with_name(f"{path.stem}.audit.json")
    beside.write_text(json.dumps(audit))
    rows, audits = rank_stability.others_in(folder, own)
    assert audits == {other.sha256: drops}
    found = rank_stability.standing(own, own.score["split_drops_pp"], rows, audits)
    assert (found["place"], found["strong_place"], found["audited"]) == (2, 1, 1)
    junks: list[object] = [audit | {"record": "0" * 64}, audit | {"score": {"split_drops_pp": [1.0]}}, []]
    for junk in junks:
        beside.write_text(json.dumps(junk))
        assert rank_stability.others_in(folder, own)[1] == {}


def test_diverged_splits_are_left_out_and_alone_is_alone(folder: Path) -> None:
    own = _own()
    rows, audits = rank_stability.others_in(folder, own)
    strong = [None, *own.score["split_drops_pp"][1:]]
    assert rank_stability.standing(own, strong, rows, audits)["strong_place"] == 2
    nothing = rank_stability.standing(own, [None] * 6, rows, audits)
    assert (nothing["strong_place"], nothing["survives"]) == (None, False)
    alone = rank_stability.standing(own, own.score["split_drops_pp"], [], {})
    assert rank_stability.sentence(alone) == "No other row of this track, salt and splits stands on the board."


def test_an_audit_beside_a_record_is_no_record_of_the_board(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK)
    (path,) = (folder / TRACK.name).glob("weak-*.json")
    factories.write_audit(path.with_name(f"{path.stem}.audit.json"), factories.audit(read(path)))
    build(folder, folder.parent)
    assert "weak" in (folder.parent / "README.md").read_text()
