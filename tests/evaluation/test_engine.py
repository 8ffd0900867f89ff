"""The local engine: results, errors by their class, killed workers, nothing left behind."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lnbench.errors import DataError, ProtocolError, UnavailableError
from lnbench.evaluation.engine import engine

HERE = Path(__file__).parent


def work(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """What the workers of these tests run."""
    print("chatter on standard output must not reach the parent's pipe")
    if "log" in cell:
        with open(cell["log"], "a", encoding="utf-8") as file:
            file.write(f"{cell['n']} {os.getpid()}\n")
    if cell.get("wrong") == "data":
        raise DataError("the data is gone.")
    if cell.get("wrong") == "bug":
        raise ZeroDivisionError("a bug")
    if cell.get("wrong") == "killed once" and not Path(cell["mark"]).exists():
        Path(cell["mark"]).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if cell.get("wrong") == "killed always":
        os.kill(os.getpid(), signal.SIGKILL)
    report(0.5)
    time.sleep(cell.get("seconds", 0))
    return {"square": cell["n"] ** 2, "threads": os.environ["OMP_NUM_THREADS"], "secret": os.environ.get("HF_TOKEN")}


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), str(HERE.parent)]))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")


def _run(cells: list[dict[str, Any]], workers: int = 2) -> dict[int, dict[str, Any]]:
    events = engine("local", workers).map("test_engine:work", cells)
    return {index: result for index, _, result in events if result is not None}


def test_every_cell_comes_back_once_from_workers_with_one_thread_and_no_secrets(tmp_path: Path) -> None:
    log = tmp_path / "log"
    events = list(engine("local", 2).map("test_engine:work", [{"n": n, "log": str(log)} for n in range(5)]))
    results = {i: r for i, _, r in events if r is not None}
    assert {i: r["square"] for i, r in results.items()} == {0: 0, 1: 1, 2: 4, 3: 9, 4: 16}
    assert {r["threads"] for r in results.values()} == {"1"}
    assert {r["secret"] for r in results.values()} == {None}
    assert [share for i, share, r in events if i == 3 and r is None] == [0.5]
    lines = log.read_text().split("\n")[:-1]
    assert sorted(line.split()[0] for line in lines) == list("01234")
    assert len({line.split()[1] for line in lines}) == 2


def test_a_worker_killed_once_costs_its_cell_a_second_try(tmp_path: Path) -> None:
    cells = [{"n": 3, "wrong": "killed once", "mark": str(tmp_path / "mark")}, {"n": 4}]
    assert {i: r["square"] for i, r in _run(cells, 1).items()} == {0: 9, 1: 16}


def test_a_cell_that_kills_every_worker_is_a_sentence_about_memory() -> None:
    with pytest.raises(UnavailableError, match=r"died twice on the same cell.*fewer --workers"):
        _run([{"n": 1, "wrong": "killed always"}], 1)


def test_our_errors_keep_their_class_and_bugs_their_traceback() -> None:
    with pytest.raises(DataError, match=r"^the data is gone\.$"):
        _run([{"n": 1, "wrong": "data"}])
    with pytest.raises(RuntimeError, match="ZeroDivisionError: a bug"):
        _run([{"n": 1, "wrong": "bug"}])


def test_closing_early_leaves_no_worker(tmp_path: Path) -> None:
    log = tmp_path / "log"
    events = engine("local", 1).map("test_engine:work", [{"n": 1, "log": str(log), "seconds": 60}])
    assert next(events)[1] == 0.5
    events.close()
    pid = int(log.read_text().split()[1])
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_no_cells_start_no_worker() -> None:
    assert _run([]) == {}


def test_unknown_engines_and_no_workers_are_refused() -> None:
    with pytest.raises(ProtocolError, match="no engine is called 'slurm'"):
        engine("slurm", 1)
    with pytest.raises(ProtocolError, match="at least 1; got 0"):
        engine("local", 0)
