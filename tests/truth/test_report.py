"""The report of a track's tables: regret of choices, sums of flips, the page, its check, and what it refuses."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import factories
from lnbench import errors
from lnbench.cli.truth import command
from lnbench.protocol import canonical_json, pack, sha256_json
from lnbench.protocol import track as tracks
from lnbench.record import random_budgets
from lnbench.truth import analysis, folder, report
from lnbench.truth.analysis import Choices
from lnbench.truth.build import Row
from lnbench.truth.ground_truth import GroundTruth, as_parquet

TRACK = factories.small(3, 2)
POINTS = (10, 20, 30, 40, 50)
OWN = np.array([0.02, 0.04, 0.06, 0.08, 0.10])
"""The harm of each point alone."""


def _rows(sizes: tuple[int, ...], power: float = 1.0, splits: int = 3) -> list[Row]:
    """Victims of both architectures whose harm is the sum of their flips' own, to a power, without any noise."""
    rows = []
    for name, split in itertools.product(("mlp", "cnn"), range(splits)):
        for size in (0, *sizes):
            for some in itertools.combinations(range(len(POINTS)), size):
                harm = OWN[list(some)].sum() ** power
                flips, broken = tuple(POINTS[i] for i in some), round(1000 * (0.1 + harm))
                bits = pack(np.arange(1000) < broken)
                rows += [Row(name, split, seed, flips, 1000, broken, bits, size) for seed in range(4)]
    return rows


def _truth(table: str, rows: list[Row]) -> GroundTruth:
    return GroundTruth(table, TRACK.name, TRACK.sha256, tuple(rows))


def test_additive_harm_is_the_sum_and_a_root_of_it_bends_down() -> None:
    made = analysis.summary(_truth("c", _rows((1, 2, 3, 4))))["mlp"]
    for size, key in ((2, "pairs"), (3, "sets_of_3"), (4, "sets_of_4")):
        assert made[key]["excess_over_sum"]["mean"] == pytest.approx(0, abs=1e-6)
        assert made[key]["second_difference"]["mean"] == pytest.approx(0, abs=1e-6)
        assert made[key]["r2_of_sum"] == pytest.approx(1)
        best = 100 * np.sort(OWN)[-size:].sum()
        assert made[key]["greedy_as_measured"]["mean"] == pytest.approx(best)
        assert made[f"best_{size}"]["best"]["mean"] == pytest.approx(best)
    assert made["memorised"] == 1.0
    bent = analysis.summary(_truth("c", _rows((1, 2, 3, 4), power=0.5)))["mlp"]
    for key in ("pairs", "sets_of_3", "sets_of_4"):
        assert bent[key]["excess_over_sum"]["mean"] < -5 and bent[key]["second_difference"]["mean"] < -0.2
        assert bent[key]["share_at_most_the_sum"] == 1.0


def test_regret_is_what_a_choice_leaves_of_the_best() -> None:
    truth = _truth("b", _rows((1, 2)))
    scores = {split: {"itself": OWN, "reversed": -OWN} for split in range(3)}
    choices: Choices = {2: {"middling": {0: (20, 30), 1: (20, 30), 2: ()}, "elsewhere": {0: (1, 2)}}}
    made = analysis.summary(truth, scores, choices)["cnn"]
    of = made["best_2"]["choices"]
    assert of["itself"]["regret"]["mean"] == pytest.approx(0, abs=1e-6)
    assert of["reversed"]["harm"]["mean"] == pytest.approx(6) and of["reversed"]["regret"]["mean"] == pytest.approx(12)
    assert of["middling"]["splits"] == 3 and of["middling"]["harm"]["mean"] == pytest.approx(20 / 3, abs=1e-3)
    assert "elsewhere" not in of
    assert made["best_1"]["choices"]["reversed"]["regret"]["mean"] == pytest.approx(8)
    assert made["scores"]["itself"]["rank_correlation"]["mean"] == 1.0


@pytest.fixture
def tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tables a, c and n of the track."""
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK, factories.track(name="another"))
    for name, sizes in (("a", (1,)), ("c", (1, 2, 3, 4)), ("n", (1, 2, 4))):
        path = folder.place(tmp_path / "truth", name)
        path.parent.mkdir(parents=True)
        path.write_bytes(as_parquet(_rows(sizes), name, TRACK))
    return tmp_path / "truth"


def _run(*words: object) -> tuple[int, str]:
    made = CliRunner().invoke(command, [str(word) for word in words])
    if isinstance(made.exception, errors.LnbenchError):
        return made.exception.exit_code, str(made.exception)
    return made.exit_code, made.output


def test_the_command_writes_a_report_that_the_check_agrees_with_and_the_board_reads(tables: Path) -> None:
    out = tables.parent / "leaderboard" / "truth"
    code, said = _run("report", "--tables", tables, "--out", out)
    assert code == 0 and said.count("written:") == 3
    page, stored = (out / "README.md").read_text(), json.loads((out / f"{TRACK.name}.json").read_bytes())
    for words in ("| c | mlp | 4 |", "### Additive, submodular?", "### Where harm comes from", "### Random flips"):
        assert words in page
    assert f"![{TRACK.name}-variance]({TRACK.name}-variance.svg)" in page
    assert stored["tables"]["n"]["findings"]["budgets"] == [0, 1, 2, 4]
    assert random_budgets.of_track(out.parent / "records", TRACK) is not None
    assert _run("report", "--tables", tables, "--out", out, "--check")[0] == 0
    (out / "README.md").write_text(page + "x")
    folder.place(tables, "a").write_bytes(as_parquet(_rows((1,), power=0.5), "a", TRACK))
    (out / f"{TRACK.name}-left.svg").write_text("")
    code, said = _run("report", "--tables", tables, "--out", out, "--check")
    assert code == 1 and said.count("differs:") == 3 and "run `lnbench truth report` again" in said


def test_tables_that_are_not_here_keep_their_findings(tables: Path) -> None:
    out = tables.parent / "out"
    _run("report", "--tables", tables, "--out", out)
    folder.place(tables, "c").unlink()
    before = json.loads((out / f"{TRACK.name}.json").read_bytes())
    assert _run("report", "--tables", tables, "--out", out)[0] == 0
    assert json.loads((out / f"{TRACK.name}.json").read_bytes()) == before


def test_what_cannot_be_reported_is_refused_in_a_sentence(tables: Path) -> None:
    out = tables.parent / "out"
    code, said = _run("report", "--tables", tables.parent / "none", "--out", out)
    assert code == 2 and "has no table of digits-9to0" in said and not out.exists()
    assert _run("report", "--tables", tables, "--out", out, "--check") == (
        2,
        f"{out} has no report of a track; `lnbench truth report` makes one.",
    )
    assert _run("report", "--check", "--scores")[0] == 2
    code, said = _run("report", "--tables", tables, "--out", out, "--attack", "no_such_attack")
    assert code == 2 and not out.exists()
    code, said = _run("report", "--tables", tables, "--out", out, "--track", "another")
    assert code == 2 and "another hash than another" in said
    _run("report", "--tables", tables, "--out", out)
    file = out / f"{TRACK.name}.json"
    whole = file.read_bytes()
    for broken, words in (
        (whole.replace(b'"version":0', b'"version":1'), "not what its sha256 says"),
        (whole[:-20], "it is not JSON"),
        (canonical_json({"track": 1}), "not what `lnbench truth report` writes"),
    ):
        file.write_bytes(broken)
        code, said = _run("report", "--tables", tables, "--out", out, "--check")
        assert code == 1 and words in said


def test_a_report_of_an_old_version_gives_the_board_nothing(tmp_path: Path) -> None:
    body: dict[str, Any] = {"command": "", "track": TRACK.name, "version": 0, "track_sha256": "0" * 64, "tables": {}}
    (tmp_path / "truth").mkdir()
    file = tmp_path / "truth" / f"{TRACK.name}.json"
    file.write_bytes(canonical_json({**body, "sha256": sha256_json(body)}))
    assert random_budgets.of_track(tmp_path / "records", TRACK) is None
    assert report.known(tmp_path / "truth", TRACK) == {}
    assert tracks.load("digits-9to0").sha256 != TRACK.sha256
