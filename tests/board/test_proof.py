"""Which rows may lead a table, which stand beside which, and what a search has to beat."""

from __future__ import annotations

from pathlib import Path

import pytest

import factories
from lnbench import board, record
from lnbench.board.tables import Table
from lnbench.errors import RecordError
from lnbench.protocol import PUBLIC_SALT, Track, own_salt, sha256
from lnbench.record.record import Record

TRACK = factories.small(6)
DAMAGE = factories.track(
    name="damaging",
    damage={"epsilon": 0.03},
    replication={"splits": 6, "seeds": 2, "quick_splits": 2, "quick_seeds": 1, "random_draws": 2},
)


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK, DAMAGE)


def made(name: str, effect: float, *, own: bool = False, track: Track = TRACK, trainings: int = 0) -> Record:
    source = f'"""{name}."""\n'
    salt = own_salt(track.sha256, sha256(source.encode()), {}) if own else PUBLIC_SALT
    seed = sum(map(ord, name))
    spent = [trainings] * track.replication.splits
    return factories.make(track, name=name, source=source, effect=effect, seed=seed, trainings=spent, salt=salt)


def table(tmp_path: Path, *records: Record) -> Table:
    folder = tmp_path / "leaderboard" / "records"
    for one in records:
        record.write(one, folder / one.track.name / one.filename)
    (found,) = board.load(folder).tables
    board.build(folder, folder.parent)
    return found


def names(found: Table) -> list[str]:
    return [row.record.name for row in found.rows]


def test_without_any_proof_the_score_orders_and_nobody_leads(tmp_path: Path) -> None:
    found = table(tmp_path, made("low", 0.2), made("high", 0.3))
    assert names(found) == ["high", "low"] and found.leader is None
    page = (tmp_path / "leaderboard" / "README.md").read_text()
    assert "No row leads yet" in page and "own splits, pp" not in page


def test_a_proven_row_leads_before_a_higher_one_that_is_not(tmp_path: Path) -> None:
    found = table(tmp_path, made("low", 0.2), made("high", 0.3), made("least", 0.1), made("low", 0.2, own=True))
    assert names(found) == ["low", "high", "least"]
    assert found.leader is found.rows[0] and found.rows[0].trust == "own splits"
    assert [row.proven for row in found.rows] == [True, False, False]
    assert found.rows[0].ranks != (1, 1), "leading is about proof, ranks are about scores"
    page = (tmp_path / "leaderboard" / "README.md").read_text()
    assert "low leads" in page and "| rank | poisoner | own splits, pp | targeted, pp |" in page


def test_own_splits_on_which_it_does_nothing_prove_nothing(tmp_path: Path) -> None:
    found = table(tmp_path, made("low", 0.2), made("lucky", 0.3), made("lucky", -0.1, own=True))
    assert names(found) == ["lucky", "low"] and found.leader is None
    assert found.rows[0].own is not None and not found.rows[0].proven


def test_a_record_on_own_splits_stands_beside_its_row_alone(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="stands beside the record of the same source and parameters"):
        table(tmp_path, made("low", 0.2), made("alone", 0.2, own=True))


def test_a_search_is_compared_with_random_search_at_equal_trainings(tmp_path: Path) -> None:
    found = table(
        tmp_path,
        made("random_search", 0.1, trainings=32),
        made("clever", 0.4, trainings=32),
        made("costly", 0.4, trainings=33),
        made("plain", -0.2),
    )
    verdicts = {row.record.name: row.above_search for row in found.rows}
    assert verdicts == {"random_search": None, "clever": "yes", "costly": None, "plain": "worse"}


def test_damage_has_ranks_and_a_correction_of_its_own(tmp_path: Path) -> None:
    found = table(tmp_path, made("low", 0.0, track=DAMAGE), made("high", 0.3, track=DAMAGE))
    high, low = found.rows
    assert (high.damage_ranks, high.damages) == ((1, 1), "yes")
    assert (low.damage_ranks, low.damages) == ((2, 2), "not shown")
    page = (tmp_path / "leaderboard" / "README.md").read_text()
    assert "| damage, pp | damage rank | damages |" in page
    line = (tmp_path / "leaderboard" / "board.csv").read_text().splitlines()[1]
    damage = high.record.score.damage
    assert damage and f",{damage.drop_pp}," in line and f",{damage.from_clean_pp}," in line
