"""Tables of ground truth: which sets, built and resumed, read back, and findings that are known beforehand."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lnbench
import tiny
from lnbench.cli.truth import command
from lnbench.errors import DataError, ProtocolError
from lnbench.evaluation.engine import engine
from lnbench.evaluation.progress import Progress
from lnbench.evaluation.store import Store
from lnbench.protocol import Streams, Track, pack
from lnbench.protocol import track as tracks
from lnbench.truth import analysis, build, sets
from lnbench.truth.build import Row
from lnbench.truth.ground_truth import GroundTruth, as_parquet


def _track() -> Track:
    """Sixty training points, six of them nines, and networks of a few steps."""
    document = tiny.document()
    document["data"]["train"] = 60
    document["noise"] = {"budget": 2, "eta": 0.034, "pairs": [[9, 0]]}
    document["victims"][0] |= {"stack": 16, "recipe": {"steps": 4, "batch": 16, "learning_rate": 0.01}}
    return Track.from_document(document)


def _build(track: Track, store: Path, seen: list[Progress] | None = None) -> list[Row]:
    tell = (lambda progress: None) if seen is None else seen.append
    return build.build(track, "a", [0], engine("local", 1), Store(store), tell)[0]


def test_the_sets_of_a_table_are_all_that_it_says() -> None:
    eligible, streams = np.arange(100, 190), Streams("0" * 64)
    sizes = {t: [len(some) for some in sets.sets_of(t, eligible, streams, 0)] for t in sets.TABLES}
    assert sizes["a"] == [0] + [1] * 90
    assert sizes["b"] == [0] + [1] * 90 + [2] * 4005
    assert np.bincount(sizes["c"]).tolist() == [1, 18, 153, 816, 3060]
    assert sorted(set(sizes["n"])) == [0, *sets.BUDGETS] and len(sizes["n"]) == 1 + sets.DRAWS * len(sets.BUDGETS)
    for table in sets.TABLES:
        made = sets.sets_of(table, eligible, streams, 0)
        assert len(set(made)) == len(made) or table == "n"
        assert all(set(some) <= set(eligible.tolist()) and list(some) == sorted(some) for some in made)
    assert sets.sets_of("n", eligible, streams, 0) != sets.sets_of("n", eligible, streams, 1)
    with pytest.raises(ProtocolError, match="no table is called 'z'"):
        sets.sets_of("z", eligible, streams, 0)
    with pytest.raises(ProtocolError, match="takes 40 points"):
        sets.sets_of("n", eligible[:17], streams, 3)


@pytest.mark.usefixtures("no_workers")
def test_a_table_is_built_goes_on_where_it_was_and_is_read_back(tmp_path: Path) -> None:
    track, seen = _track(), list[Progress]()
    rows = _build(track, tmp_path / "store")
    stored = sorted((tmp_path / "store" / "truth").rglob("*.json"))
    stored[0].unlink()
    assert _build(track, tmp_path / "store", seen) == rows
    assert 0 < seen[0].reused < seen[0].total == len(rows)
    flips = sorted({row.flips for row in rows})
    assert flips[0] == () and {len(some) for some in flips[1:]} == {1} and len(rows) == 4 * len(flips)
    path = tmp_path / "table.parquet"
    path.write_bytes(as_parquet(rows, "a", track))
    assert path.read_bytes() == as_parquet(rows, "a", track)
    table = lnbench.ground_truth(path)
    assert list(table.rows) == rows and (table.table, table.track_sha256) == ("a", track.sha256)
    means = [table.accuracy("mlp", 0, flips[1], seed) for seed in range(4)]
    assert table.accuracy("mlp", 0, flips[1]) == pytest.approx(np.mean(means))
    with pytest.raises(ProtocolError, match="no victim 'cnn' of split 0"):
        table.accuracy("cnn", 0)


@pytest.mark.usefixtures("no_workers")
def test_what_cannot_be_built_is_refused(tmp_path: Path) -> None:
    pool, store = engine("local", 1), Store(tmp_path)
    for track, splits, names, words in (
        (tracks.load("digits-exact"), [0], None, "is of networks"),
        (_track(), [7], None, "has no 7: its victims are mlp, its splits 0 to 1"),
        (_track(), [0], ["vit"], "has no 'vit'"),
    ):
        with pytest.raises(ProtocolError, match=words):
            build.build(track, "a", splits, pool, store, lambda progress: None, architectures=names)


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no table"):
        lnbench.ground_truth(tmp_path / "none.parquet")
    (tmp_path / "other.parquet").write_bytes(b"PAR1 not one")
    with pytest.raises(DataError, match="is not a table of ground truth"):
        lnbench.ground_truth(tmp_path / "other.parquet")


def _known(interaction: float = 0.0) -> tuple[GroundTruth, dict[int, dict[str, np.ndarray]]]:
    """Ten splits of eight points whose harms are normal numbers, seeds and noise added; and a pair's are their sum and
    an interaction."""
    rng, rows, truths = np.random.default_rng(0), list[Row](), dict[int, dict[str, np.ndarray]]()
    for split in range(10):
        own = rng.normal(0.1, 0.04, 8)
        truths[split] = {"itself": own, "reversed": -own, "nothing": rng.normal(size=8)}
        level = rng.normal(0, 0.02, 4)
        for size in (0, 1, 2):
            for some in itertools.combinations(range(8), size):
                for seed in range(4):
                    harm = own[list(some)].sum() + interaction * (size == 2)
                    share = 0.1 + harm + level[seed] * (size > 0) + rng.normal(0, 0.03) * (size > 0)
                    broken = round(4000 * share)
                    rows.append(Row("mlp", split, seed, some, 4000, broken, pack(np.arange(4000) < broken), 0))
    return GroundTruth("b", "tiny", "0" * 64, tuple(rows)), truths


def test_the_findings_are_what_was_put_in() -> None:
    table, scores = _known(interaction=-0.05)
    made = analysis.summary(table, scores)["mlp"]
    spread = made["best_1"]["variance"]
    assert spread["set"] == pytest.approx(4, abs=1.2) and spread["seed"] == pytest.approx(2, abs=0.9)
    assert spread["residual"] == pytest.approx(3, abs=0.5)
    best = np.mean([100 * scores[split]["itself"].max() for split in scores])
    assert made["best_1"]["best"]["mean"] == pytest.approx(best, abs=1.2)
    assert made["best_1"]["best"]["mean"] < made["best_1"]["best_as_measured"]["mean"]
    assert made["pairs"]["excess_over_sum"]["mean"] == pytest.approx(-5, abs=1.5)
    assert made["pairs"]["share_at_most_the_sum"] > 0.8 and made["pairs"]["r2_of_sum"] > 0.6
    rho = {name: made["scores"][name]["rank_correlation"] for name in made["scores"]}
    assert rho["itself"]["mean"] == -rho["reversed"]["mean"] > 0.75
    assert rho["nothing"]["ci95"][0] < 0 < rho["nothing"]["ci95"][1]
    assert made["scores"]["itself"]["regret"]["mean"] < 2 < 5 < made["scores"]["reversed"]["regret"]["mean"]


def test_the_command_writes_a_table_a_card_and_a_summary(tmp_path: Path, no_workers: None) -> None:
    track = tiny.write(tmp_path / "tiny.toml", _track().document)
    run, out = CliRunner(), tmp_path / "truth"
    made = run.invoke(command, ["build", "--table", "a", "--splits", "0-1", "--track", str(track), "--out", str(out)])
    assert made.exit_code == 0 and "s of a core each; sha256" in made.output
    assert "config_name: a" in (out / "README.md").read_text()
    file, summary = out / "data" / "a" / "train-00000-of-00001.parquet", tmp_path / "summary.json"
    said = run.invoke(command, ["summary", str(file), "--track", str(track), "--out", str(summary)])
    document: dict[str, Any] = json.loads(summary.read_text())
    assert said.exit_code == 0 and document["splits"] == [0, 1] and "best_1" in document["findings"]["mlp"]
    wrong = run.invoke(command, ["summary", str(file)])
    assert isinstance(wrong.exception, ProtocolError) and "another hash than digits-9to0" in str(wrong.exception)
    assert run.invoke(command, ["build", "--table", "a", "--splits", "4-2"]).exit_code == 2
