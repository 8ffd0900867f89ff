"""Who had the best score when."""

from __future__ import annotations

from pathlib import Path

import pytest

import factories
from lnbench import record
from lnbench.board import build, load

TRACK = factories.small(3, 2)


def test_the_best_score_by_date_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    factories.ship(monkeypatch, tmp_path / "tracks", TRACK)
    folder, run = tmp_path / "repository" / "leaderboard", factories.make(TRACK).document["run"]
    rows = {
        "first": (0.1, "02T00"),
        "worse": (0.0, "03T00"),
        "morning": (0.2, "04T08"),
        "better": (0.3, "04T20"),
        "late": (0.2, "05T00"),
    }
    for i, (name, (effect, hour)) in enumerate(rows.items()):
        dated = {**run, "started": f"2026-01-{hour}:00:00Z"}
        made = factories.make(TRACK, name=name, effect=effect, seed=i, source=f"# {name}\n", run=dated)
        record.write(made, folder / "records" / TRACK.name / made.filename)
    (table,) = load(folder / "records").tables
    assert [row.record.name for row in table.records] == ["first", "better"]
    build(folder / "records", folder)
    for page in ("README.md", "index.html"):
        text = (folder / page).read_text()
        assert "Best score by date: 2026-01-02 first +" in text and "; 2026-01-04 better +" in text
