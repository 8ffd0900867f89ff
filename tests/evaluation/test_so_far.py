"""Adversarial accuracy while victims are trained: at the end it is the record's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tiny
from lnbench.evaluation import conductor
from lnbench.evaluation.progress import ArmSoFar, Progress
from lnbench.evaluation.so_far import SoFar
from lnbench.evaluation.store import Store
from lnbench.poison.submission import Submission
from lnbench.protocol import ARMS
from lnbench.protocol import track as tracks


@pytest.mark.slow
def test_the_last_report_has_the_records_adversarial_accuracies(tmp_path: Path) -> None:
    track = tracks.load(str(tiny.write(tmp_path / "tiny.toml")))
    first = Submission.from_bytes("first.py", tiny.POISONER.encode())
    reports: list[list[Progress]] = []
    for _ in range(2):  # the second takes all from the store
        reports.append([])
        made = conductor.evaluate(
            first, track, quick=True, workers=1, sandbox="none", store=Store(tmp_path), on_progress=reports[-1].append
        )
    for told in reports:
        assert {report.arms for report in told if report.stage != "victims"} == {()}
        last = told[-1]
        assert [(one.architecture, one.arm, one.done, one.total) for one in last.arms] == [
            ("mlp", arm, 2, 2) for arm in ARMS
        ]
        assert [one.adv_acc for one in last.arms] == [pytest.approx(made.arms[arm].adv_acc) for arm in ARMS]
    begin = next(report for report in reports[0] if report.stage == "victims")
    assert [(one.done, one.adv_acc) for one in begin.arms] == [(0, None)] * 3


def test_victims_without_a_count_of_their_own_are_done_and_not_averaged() -> None:
    track = tracks.Track.from_document(tiny.document())
    cell = {"victim": "mlp", "places": [[0, 0], [0, 1], [1, 0]]}
    so_far = SoFar(track, [("random", cell), ("clean", cell)])

    def victim(broken: int, **more: Any) -> dict[str, Any]:
        clean = {"source_points": 80}
        return {"diverged": False, "clean": clean, "broken": {"targeted": [0, broken]}, **more}

    so_far.add(0, {"victims": [victim(20), victim(80, diverged=True), victim(80, reached={})]})
    clean, random, poisoned = so_far.arms
    assert random == ArmSoFar("mlp", "random", 3, 3, 0.75)
    assert (clean.done, clean.total, clean.adv_acc, poisoned.total) == (0, 3, None, 0)
