"""The board in the schema of Every Eval Ever: every row with its interval and direction, as the package takes it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import factories
from lnbench import board, record
from lnbench.board import every_eval_ever
from lnbench.cli import cli
from walk import ROOT

PROGRAM = os.environ.get("LNBENCH_EEE") or shutil.which("every_eval_ever")
TRACK = factories.track(
    name="digits-small",
    damage={"epsilon": 0.03},
    replication={"splits": 3, "seeds": 1, "quick_splits": 2, "quick_seeds": 1},
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A board with two rows, one of them without an author."""
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK)
    for name, parameters in (("first", {}), ("second", {"bucket": "near"})):
        made = factories.make(TRACK, name=name, parameters=parameters, source=f'"""{name}."""\n', seed=len(parameters))
        record.write(made, tmp_path / "board" / "records" / TRACK.name / made.filename)
    return tmp_path / "board"


def _documents(folder: Path) -> dict[str, Any]:
    return {path: json.loads(data) for path, data in every_eval_ever.files(board.load(folder / "records")).items()}


def test_a_row_is_there_whole(folder: Path) -> None:
    documents = _documents(folder)
    assert [path.split("/")[:4] for path in sorted(documents)] == [
        ["data", "lnbench", "lnbench", "first"],
        ["data", "lnbench", "lnbench", "second"],
    ]
    rows = {row.record.name: row.record for row in board.load(folder / "records").tables[0].rows}
    for document in documents.values():
        made = rows[document["model_info"]["id"].partition("/")[2]]
        results = {one["metric_config"]["metric_id"]: one for one in document["evaluation_results"]}
        assert {"lnbench.score", "lnbench.score.mlp", "lnbench.damage", "lnbench.untargeted"} <= set(results)
        assert all(one["metric_config"]["lower_is_better"] is False for one in results.values())
        details = results["lnbench.score"]["score_details"]
        assert details["score"] == made.score.drop_pp
        interval = details["uncertainty"]["confidence_interval"]
        assert [interval["lower"], interval["upper"]] == list(made.score.ci95_pp or ())
        assert interval["confidence_level"] == 0.95 and details["uncertainty"]["num_samples"] == 3
        # Half the interval's width is t(2 degrees of freedom) standard errors.
        error = details["uncertainty"]["standard_error"]["value"]
        assert (interval["upper"] - interval["lower"]) / 2 == pytest.approx(4.302653 * error, rel=1e-5)
        assert document["source_metadata"]["additional_details"]["record_sha256"] == made.sha256
        assert document["schema_version"] == every_eval_ever.SCHEMA


def test_an_export_is_the_rows_of_now_and_the_same_bytes_again(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    left = out / "data" / "lnbench" / "lnbench" / "gone" / "0.json"
    left.parent.mkdir(parents=True)
    left.write_text("{}")
    for _ in range(2):
        done = CliRunner().invoke(cli, ["leaderboard", "export", str(out), "--folder", str(folder)])
        assert done.exit_code == 0, done.output
        assert done.stdout == f"exported: 2 rows to {out}, schema 0.3.0\n"
        written = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.json")}
        assert written == every_eval_ever.files(board.load(folder / "records"))


@pytest.mark.slow  # its package needs Python 3.12 and an older huggingface_hub: it is started from a place of its own
def test_the_packages_own_validator_takes_the_projects_board(tmp_path: Path) -> None:
    if PROGRAM is None:
        pytest.skip(
            "every_eval_ever is not here: pip install every-eval-ever in an environment of its own with Python 3.12, "
            "and set LNBENCH_EEE to its command"
        )
    for path, data in every_eval_ever.files(board.load(ROOT / "leaderboard" / "records")).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.json"))
    done = subprocess.run([PROGRAM, "validate", *files], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert f"{len(files)} passed, 0 warning-only, 0 failed" in done.stdout
