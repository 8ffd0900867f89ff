"""Which rows may lead a table, which stand beside which, and what a search has to beat."""

from __future__ import annotations

import csv
import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from scipy import stats

import factories
from lnbench import board, record
from lnbench.board import page
from lnbench.board import row as rows
from lnbench.board.markdown import CLASSES
from lnbench.board.tables import Table
from lnbench.cli import cli
from lnbench.errors import RecordError
from lnbench.protocol import PUBLIC_SALT, Track, own_salt, sha256
from lnbench.record.record import Record
from lnbench.record.score import t_interval, welch_interval

TRACK = factories.small(6)
DAMAGE = factories.track(
    name="damaging",
    damage={"epsilon": 0.03},
    replication={"splits": 6, "seeds": 2, "quick_splits": 2, "quick_seeds": 1, "random_draws": 2},
)
PAIRS = [list(pair) for pair in permutations((0, 4, 9), 2)]
ROUND = factories.track(
    name="round",
    noise={"budget": 4, "eta": 0.00446, "pairs": PAIRS, "rotate": True},
    replication={"splits": 6, "seeds": 2, "quick_splits": 2, "quick_seeds": 1},
)
LONG = factories.track(name="long", replication={"splits": 30, "seeds": 2, "quick_splits": 2, "quick_seeds": 1})


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK, DAMAGE, ROUND, LONG)


def made(name: str, effect: float, *, own: bool = False, track: Track = TRACK, trainings: int = 0) -> Record:
    source = f'"""{name}."""\n'
    salt = own_salt(track.sha256, sha256(source.encode()), {}) if own else PUBLIC_SALT
    seed = sum(map(ord, name))
    spent = [trainings] * track.replication.splits
    return factories.make(track, name=name, source=source, effect=effect, seed=seed, trainings=spent, salt=salt)


def table(tmp_path: Path, *records: Record) -> Table:
    """The first table of a board of these records."""
    folder = tmp_path / "leaderboard" / "records"
    for one in records:
        record.write(one, folder / one.track.name / one.filename)
    found, *_ = board.load(folder).tables
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


def test_scores_on_own_splits_stand_first_everywhere(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("<!-- board:top -->\n<!-- /board:top -->\n")
    found = table(tmp_path, made("low", 0.2), made("high", 0.3), made("low", 0.2, own=True))
    assert "| rank | poisoner | own splits, pp | targeted, pp | beats random |" in (tmp_path / "README.md").read_text()
    assert page.columns(found)[:3] == ["rank", "poisoner", "own splits, pp"]
    shown = CliRunner().invoke(cli, ["leaderboard", "show", TRACK.name, "--board", str(tmp_path / "leaderboard")])
    own = found.rows[0].own
    assert own is not None and "own splits, pp" in shown.output
    assert f"{own.score.drop_pp:+.1f} [" in shown.output


def test_no_p_of_the_board_is_zero(tmp_path: Path) -> None:
    found = table(tmp_path, made("sure", 0.9, track=LONG))
    (row,) = found.rows
    assert row.record.score.p_value == 0.0, "a record rounds it to nine places"
    assert row.p is not None and 0 < row.p < 5e-10 and row.p_holm == row.p
    shown = json.loads((tmp_path / "leaderboard" / "board.json").read_bytes())["tables"][0]["rows"][0]
    assert shown["score"]["p_value"] == shown["p_holm"] == float(f"{row.p:.4g}") > 0
    line = next(csv.DictReader((tmp_path / "leaderboard" / "board.csv").read_text().splitlines()))
    assert float(line["p_value"]) == float(line["p_holm"]) == shown["p_holm"]


def test_a_column_of_any_table_is_one_of_the_csv(tmp_path: Path) -> None:
    table(tmp_path, made("low", 0.2, track=ROUND), made("low", 0.2, track=DAMAGE))
    lines = list(csv.DictReader((tmp_path / "leaderboard" / "board.csv").read_text().splitlines()))
    assert len(lines) == 2 and all(None not in line and None not in line.values() for line in lines)
    assert [bool(line["classes_ci95_low_pp"]) for line in lines] == [line["track"] == "round" for line in lines]
    assert [bool(line["damage_drop_pp"]) for line in lines] == [line["track"] == "damaging" for line in lines]


def test_a_track_that_goes_round_all_pairs_has_an_interval_for_other_classes(tmp_path: Path) -> None:
    found = table(tmp_path, made("low", 0.2, track=ROUND))
    (row,) = found.rows
    assert row.classes is not None and row.classes.ends is not None
    assert row.classes.mean == pytest.approx(row.drop)
    text = (tmp_path / "leaderboard" / "README.md").read_text()
    assert "| targeted, pp | for other classes, pp | beats random |" in text
    assert CLASSES in page.columns(found) and CLASSES in text
    shown = json.loads((tmp_path / "leaderboard" / "board.json").read_bytes())["tables"][0]["rows"][0]
    assert shown["classes_ci95_pp"] == pytest.approx(row.classes.ends)
    assert CLASSES not in page.columns(table(tmp_path / "plain", made("low", 0.2)))


def test_the_random_arms_error_is_said_of_the_table(tmp_path: Path) -> None:
    found = table(tmp_path, made("low", 0.2, track=DAMAGE))
    error = found.rows[0].record.score.random_se_pp
    assert error
    said = f"The random arm's AA, the same for all rows, has a standard error of {error:.1f} points."
    assert said in (tmp_path / "leaderboard" / "README.md").read_text()
    assert said in (tmp_path / "leaderboard" / "index.html").read_text().replace("&#39;", "'")


def test_of_proven_rows_the_one_leads_that_does_most_on_both_kinds_of_splits(tmp_path: Path) -> None:
    """A list of the public splits' indices in an honest source has a high public score, and a proof by its method."""
    cheat, honest = made("cheat", 0.9, track=LONG), made("honest", 0.3, track=LONG)
    own = [made("cheat", 0.1, own=True, track=LONG), made("honest", 0.3, own=True, track=LONG)]
    found = table(tmp_path, cheat, honest, *own)
    assert [(row.record.name, row.proven) for row in found.rows] == [("honest", True), ("cheat", True)]
    assert found.rows[1].drop > found.rows[0].drop and found.rows[1].assured < found.rows[0].assured
    assert found.leader is found.rows[0]
    assert [row.above_own for row in found.rows] == [False, True]
    assert found.rows[1].flags == (*found.rows[1].record.flags, "public-above-own")
    text = (tmp_path / "leaderboard" / "README.md").read_text()
    assert "honest leads" in text and "- `public-above-own`: The score on the public splits is shown" in text
    shown = json.loads((tmp_path / "leaderboard" / "board.json").read_bytes())["tables"][0]["rows"][1]
    assert shown["flags"][-1] == "public-above-own"


def test_own_splits_prove_at_a_level_that_trying_edits_does_not_reach(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public, own = made("low", 0.2, track=LONG), made("low", 0.2, own=True, track=LONG)
    (row,) = table(tmp_path, public, own).rows
    drops = np.array(own.score.split_drops_pp, float)
    p = t_interval(drops).p
    assert p is not None
    for level, proven in ((p * 1.01, True), (p * 0.99, False)):
        monkeypatch.setattr(rows, "PROOF", level)
        assert row.proven is proven


def test_a_proven_row_that_does_not_beat_random_flips_does_not_stand_before_one_that_does(tmp_path: Path) -> None:
    """Its own splits flatter it: on the public ones it is told from nothing."""
    first = [made("first", 0.3, track=LONG), made("first", 0.1, own=True, track=LONG)]
    second = [made("second", 0.0, track=LONG), made("second", 0.3, own=True, track=LONG)]
    found = table(tmp_path, *first, *second)
    assert [(row.record.name, row.proven) for row in found.rows] == [("first", True), ("second", True)]
    assert found.leader is found.rows[0] and found.rows[1].beats_random != "yes"


def test_a_single_row_leads_nobody(tmp_path: Path) -> None:
    found = table(tmp_path, made("alone", 0.3), made("alone", 0.3, own=True))
    assert found.rows[0].proven and found.leader is None
    text = (tmp_path / "leaderboard" / "README.md").read_text()
    assert "leads" not in text.split("## How to read")[0].split("# Leaderboard")[1] and "No row leads yet" not in text


def test_a_draw_of_random_flips_that_beats_random_ones_is_a_warning(tmp_path: Path) -> None:
    found = table(tmp_path, made("random_flip", 0.2, track=LONG), made("high", 0.3, track=LONG))
    assert found.null is not None and found.null.record.name == "random_flip"
    for name in ("README.md", "index.html"):
        text = (tmp_path / "leaderboard" / name).read_text().replace("\\_", "_")
        assert "Another draw of random flips (random_flip) is told from the random arm, by +" in text
    quiet = table(tmp_path / "quiet", made("random_flip", 0.0, track=LONG), made("high", 0.3, track=LONG))
    assert quiet.null is None


def test_welchs_interval_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(1, 2, 12), rng.normal(0, 5, 30)
    gap, peer = welch_interval(first, second), stats.ttest_ind(first, second, equal_var=False)
    ends = peer.confidence_interval()
    assert gap.ends == pytest.approx((ends.low, ends.high)) and gap.p == pytest.approx(peer.pvalue)
    assert welch_interval(first[:1], second).ends is None and welch_interval(first[:0], second).mean is None


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
    assert "| damage, pp | damages |" in page and "| damage rank | damage below clean, pp |" in page
    line = (tmp_path / "leaderboard" / "board.csv").read_text().splitlines()[1]
    damage = high.record.score.damage
    assert damage and f",{damage.drop_pp}," in line and f",{damage.from_clean_pp}," in line


def test_the_damage_under_the_strong_adversary_is_ranked_among_the_audited_rows(tmp_path: Path) -> None:
    """The row that the record does not tell from random flips is told from them by its audit; the third has none."""
    low, high = made("low", 0.0, track=DAMAGE), made("high", 0.3, track=DAMAGE)
    folder = tmp_path / "leaderboard" / "records" / DAMAGE.name
    table(tmp_path, low, high, made("bare", 0.1, track=DAMAGE))
    factories.write_audit(folder / f"{Path(low.filename).stem}.audit.json", factories.audit(low, damage=30))
    factories.write_audit(folder / f"{Path(high.filename).stem}.audit.json", factories.audit(high, damage=2))
    found = {row.record.name: row for row in board.load(folder.parent).tables[0].rows}
    assert [found["low"].damages, found["low"].strong_damages] == ["not shown", "yes"]
    assert [found[name].strong_damage_ranks for name in ("low", "high", "bare")] == [(1, 1), (2, 2), None]
    assert found["bare"].strong_damages is None and found["bare"].damages is not None
    audit = found["low"].audit
    assert audit and audit.damage and low.score.damage
    points = 30 / low.document["victims"][0]["clean"]["source_points"]
    assert audit.damage.drop_pp - (low.score.damage.drop_pp or 0.0) == pytest.approx(100 * points, abs=0.5)
    assert CliRunner().invoke(cli, ["leaderboard", "build", "--board", str(folder.parents[1])]).exit_code == 0
    text = (folder.parents[1] / "README.md").read_text()
    assert "| audit, pp | audit, damage, pp | audit, damage rank |" in text
    html = (folder.parents[1] / "index.html").read_text()
    assert 'data-best="ascending">audit, damage rank' in html and 'data-best="descending">audit, damage, pp' in html
    rows_of = json.loads((folder.parents[1] / "board.json").read_text())["tables"][0]["rows"]
    of_audit = next(row["audit"]["damage"] for row in rows_of if row["poisoner"]["name"] == "low")
    assert (of_audit["ranks"], of_audit["damages"], of_audit["drop_pp"]) == ([1, 1], "yes", audit.damage.drop_pp)
