"""The committed board: what its records say, by every check there is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from lnbench.board import check, load
from lnbench.record.record import read
from lnbench.record.score import holm, rank_intervals, t_interval
from lnbench.record.score_schema import Score

BOARD = Path(__file__).resolve().parents[2] / "leaderboard"


def test_the_committed_board_holds() -> None:
    said: list[str] = []
    assert check(BOARD / "records", BOARD, tell=said.append) == [], "run `lnbench leaderboard build`"
    assert not [sentence for sentence in said if "digits" in sentence], "its data comes with scikit-learn"


def _tables() -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Of every table of three rows or more: its name, what its ranks compare and what is tested against random."""
    for table in load(BOARD / "records").tables:
        rows = [row for row in table.rows if None not in row.record.score.split_drops_pp]
        if len(rows) < 3:
            continue
        drops = np.array([row.record.score.split_drops_pp for row in rows], dtype=float)
        yield f"{table.id}, targeted", np.stack([row.accuracies for row in rows]), drops
        damages = [row.record.score.damage for row in rows]
        if all(damages):
            accuracies = [row.damage_accuracies for row in rows if row.damage_accuracies is not None]
            drops = np.array([damage.split_drops_pp for damage in damages if damage], dtype=float)
            yield f"{table.id}, damage", np.stack(accuracies), drops


@pytest.fixture(scope="module")
def tables() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {name: (accuracies, drops) for name, accuracies, drops in _tables()}


TRACKS = ("digits-9to0", "digits-pairs", "mnist10k-9to0")


@pytest.mark.parametrize(
    "name", ["digits-exact, targeted", *(f"{track}, {score}" for track in TRACKS for score in ("targeted", "damage"))]
)
def test_ranks_and_holm_hold_on_the_boards_own_residuals(
    name: str, tables: dict[str, tuple[np.ndarray, np.ndarray]]
) -> None:
    """Every row's mean made equal, the splits drawn again 2,000 times: how often is a row told from the others, any
    row from random flips, with the random arm that all share, and any row from a search?

    Nothing is assumed of how rows spread or go together. Four standard errors of a rate of 5 % are 2 points; where
    splits are few, their bootstrap makes too short intervals by the factor √((W − 1) / W), and their rates rise.
    """
    accuracies, drops = tables[name]
    levelled, beaten = (rows - rows.mean(axis=1, keepdims=True) for rows in (accuracies, drops))
    m, splits = levelled.shape
    rng, trials = np.random.default_rng(0), 2000
    missed, called, above = np.zeros(m), 0, 0
    for _ in range(trials):
        chosen = rng.integers(splits, size=splits)
        ranks = rank_intervals(levelled[:, chosen])
        missed += (ranks[:, 0] > 1) | (ranks[:, 1] < m)
        called += int((holm([_p(row) for row in beaten[:, chosen]]) < 0.05).any())
        gaps = levelled[1:, chosen] - levelled[:1, chosen]  # the first row in the search's place
        above += int((holm([_p(row) for row in gaps]) < 0.05).any())
    most = 0.05 + 4 * (0.05 * 0.95 / trials) ** 0.5 + 0.25 / splits
    assert (missed / trials).max() < most, name
    assert called / trials < most, name
    assert above / trials < most, name


def _p(values: np.ndarray) -> float:
    p = t_interval(values).p
    return 1.0 if p is None else p


def test_the_score_is_one_and_the_same_formula_in_readme_rules_and_code() -> None:
    """What the pages say, read from them, and worked out on a committed record without the code that scored it."""
    formula = "mean over splits of [mean over architectures and seeds of AA(random) − AA(poisoned)]"
    texts = {
        "README": (BOARD.parent / "README.md").read_text(encoding="utf-8"),
        "the code": Score.__doc__ or "",
    }
    for name, text in texts.items():
        said = " ".join(text.split()).replace("[ ", "[").replace(" ]", "]")
        assert f"100 · {formula}" in said, name
    rules = " ".join((BOARD / "PROTOCOL.md").read_text(encoding="utf-8").split())
    assert (
        "is the mean over splits of AA(random) − AA(poisoned), averaged over architectures and seeds, in perc" in rules
    )
    page = " ".join((BOARD.parent / "docs" / "score.md").read_text(encoding="utf-8").split())
    assert "d(w) = mean over a and v of 100 · [ AA(random; a, w, v) − AA(poisoned; a, w, v) ]" in page
    assert "score = mean over w of d(w)" in page
    assert "AA(arm; a, w, v) = 1 − broken(arm; a, w, v) / n(w)" in page

    (path,) = (BOARD / "records" / "digits-9to0").glob("my_poisoner-21df572e.json")
    record = read(path)
    at = {victim.name: i for i, victim in enumerate(record.track.victims)}
    accuracy = defaultdict(list)
    damage = defaultdict(list)
    for victim in record.document["victims"]:
        curve = record.track.victims[at[victim["architecture"]]]
        place = record.track.epsilons(curve).index(record.track.epsilon(curve))
        n = victim["clean"]["source_points"]
        accuracy[victim["split"], victim["arm"], victim["architecture"]].append(
            1 - victim["broken"]["targeted"][place] / n
        )
        damage[victim["split"], victim["arm"], victim["architecture"]].append(1 - victim["broken"]["damage"] / n)
    for cells, scored in ((accuracy, record.score), (damage, record.score.damage)):
        assert scored
        drops = [
            np.mean([100 * (np.mean(cells[w, "random", a]) - np.mean(cells[w, "poisoned", a])) for a in at])
            for w in range(48)
        ]
        assert scored.drop_pp == pytest.approx(np.mean(drops), abs=1e-8)
        half = stats.t.ppf(0.975, 47) * np.std(drops, ddof=1) / 48**0.5
        assert scored.ci95_pp == pytest.approx((np.mean(drops) - half, np.mean(drops) + half), abs=1e-8)
