"""The board beside a table of random flips: a column and a figure, and nothing where there is no such table."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

import factories
from lnbench import record
from lnbench.board import build, load
from lnbench.errors import RecordError
from lnbench.protocol import canonical_json, sha256_json

TRACK = factories.small(4, 2)


@pytest.fixture(autouse=True)
def shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK)


@pytest.fixture
def board(tmp_path: Path) -> Path:
    folder = tmp_path / "leaderboard"
    for i, effect in enumerate((0.0, 0.3)):
        made = factories.make(TRACK, name=f"attack_{i}", effect=effect, seed=i, parameters={"bucket": i})
        record.write(made, folder / "records" / TRACK.name / made.filename)
    return folder


def beside(board: Path, **changes: Any) -> None:
    """Findings whose accuracies fall from 1 by 0.05 a flip; with parts of the table changed."""
    budgets, splits = [0, 1, 4, 10], [0, 1, 3]
    accuracies = [[1 - 0.05 * k for k in budgets] for _ in splits]
    names = [victim.name for victim in TRACK.victims]
    table = {"architectures": names, "splits": splits, "budgets": budgets, "accuracies": accuracies, **changes}
    document = {
        "command": "",
        "track": TRACK.name,
        "version": 0,
        "track_sha256": TRACK.sha256,
        "tables": {"n": {"findings": table}},
    }
    (board / "truth").mkdir(exist_ok=True)
    file = board / "truth" / f"{TRACK.name}.json"
    file.write_bytes(canonical_json({**document, "sha256": sha256_json(document)}))


def test_rows_are_worth_as_many_random_flips_as_lower_the_networks_as_much(board: Path) -> None:
    build(board / "records", board)
    before = {path.name: path.read_bytes() for path in board.rglob("*") if path.is_file()}
    beside(board)
    (table,) = load(board / "records").tables
    for row in table.rows:
        assert row.network_worth is not None
        fallen = 1 - row.accuracies[[0, 1, 3]].mean()
        assert row.network_worth.flips == pytest.approx(min(10, fallen / 0.05))
        assert row.network_worth.low <= row.network_worth.flips <= row.network_worth.high
    build(board / "records", board)
    page, index = (board / "README.md").read_text(), (board / "index.html").read_text()
    assert "worth random flips, networks" in page and "worth random flips, networks" in index
    assert "measured at up to 10 random flips" in " ".join(page.split())
    figure = (board / "figures" / "digits-9to0-exchange.svg").read_text()
    assert "A coupon collector, who draws until all of 4 equal regions have a flip, needs 8.3." in figure
    assert "random flips they are worth" in figure and "flips that a poisoner has" in figure
    assert "digits-9to0-exchange.svg" in page
    lines = list(csv.DictReader(io.StringIO((board / "board.csv").read_text())))
    blocks = json.loads((board / "board.json").read_text())["tables"][0]["rows"]
    for row, line, block in zip(table.rows, lines, blocks, strict=True):
        assert row.network_worth is not None
        assert float(line["network_worth_random_flips"]) == block["network_worth_random_flips"]
        assert block["network_worth_random_flips"] == pytest.approx(row.network_worth.flips)
    (board / "truth" / f"{TRACK.name}.json").unlink()
    build(board / "records", board)
    assert {path.name: path.read_bytes() for path in board.rglob("*") if path.is_file()} == before


def test_a_table_that_does_not_fit_is_left_out_and_a_broken_one_refused(board: Path) -> None:
    beside(board, architectures=["mlp"])
    assert load(board / "records").tables[0].random is None
    beside(board, splits=[0, 1, 4])
    with pytest.raises(RecordError, match="has no split 4"):
        load(board / "records")
    beside(board, budgets=[1, 2, 4, 10])
    with pytest.raises(RecordError, match="an accuracy for each split and budget"):
        load(board / "records")
    beside(board, accuracies=[[2.0] * 4] * 3)
    with pytest.raises(RecordError, match="accuracies"):
        load(board / "records")
    beside(board)
    file = board / "truth" / f"{TRACK.name}.json"
    file.write_bytes(file.read_bytes().replace(b"0.95", b"0.96"))
    with pytest.raises(RecordError, match="not what its sha256 says"):
        load(board / "records")
    file.write_bytes(b"[1]\n")
    with pytest.raises(RecordError, match="not what `lnbench truth report` writes"):
        load(board / "records")
