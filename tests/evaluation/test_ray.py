"""Cells on Ray: results, errors by their class, killed workers and nodes, and the records of the local engine."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cluster
import tiny
from lnbench.errors import DataError, ProtocolError, UnavailableError
from lnbench.evaluation import conductor, nodes
from lnbench.evaluation.engine import engine
from lnbench.evaluation.engine.ray import RayEngine
from lnbench.evaluation.store import Store
from lnbench.poison.run import Submission
from lnbench.protocol import Track

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'lnbench[ray]'"
)
WORK = "test_engine:work"


@pytest.fixture(scope="module")
def variables() -> Iterator[None]:
    """A token of its own, and modules of these tests for the workers."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.variables().items():
            if os.environ.get(name) != value:
                patch.setenv(name, value)
        yield


@pytest.fixture(scope="module")
def here(variables: None) -> Iterator[RayEngine]:
    """Ray on this machine, for these tests."""
    made = RayEngine(2)
    yield made
    made.close()


@needs_ray
@pytest.mark.slow  # Ray itself takes ten processor seconds to start
def test_ray_on_this_machine_gives_results_and_errors_and_survives_a_killed_worker(
    here: RayEngine, tmp_path: Path
) -> None:
    cells: list[dict[str, Any]] = [{"n": n} for n in range(5)]
    cells.append({"n": 5, "wrong": "killed once", "mark": str(tmp_path / "mark")})
    results = {i: result["square"] for i, _, result in here.map(WORK, cells) if result is not None}
    assert results == {n: n * n for n in range(6)}
    (node,) = here.done_by()
    assert here.done_by()[node] == 6
    assert [said["square"] for said in here.everywhere(WORK, {"n": 3}).values()] == [9]
    with pytest.raises(DataError, match=rf"^the data is gone\. \(node {node}\)$"):
        list(here.map(WORK, [{"n": 1, "wrong": "data"}]))
    assert list(here.map(WORK, [])) == []


@needs_ray
@pytest.mark.parametrize("address", ["", "somewhere", "ray://host:10001", "host:", ":6379", "host:port"])
def test_what_is_no_address_is_said(address: str) -> None:
    with pytest.raises(ProtocolError, match="expected the address of a Ray cluster as host:port"):
        engine("ray", 0, address=address)


@needs_ray
def test_no_cluster_at_the_address_is_said_at_once() -> None:
    address = f"127.0.0.1:{cluster.free_port()}"
    begin = time.monotonic()
    with pytest.raises(UnavailableError, match=rf"no Ray cluster answers at {address}: connection refused\. Start"):
        engine("ray", 0, address=address).everywhere(WORK, {"n": 1})
    assert time.monotonic() - begin < 60, "Ray itself tries for longer"


def test_without_ray_the_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UnavailableError, match=r"pip install 'lnbench\[ray\]'"):
        engine("ray", 0)


@needs_ray
@pytest.mark.slow
def test_records_are_those_of_the_local_engine(variables: None, tmp_path: Path) -> None:
    """On a cluster of one and of two nodes, and over a node that dies."""
    keys = tiny.document()
    keys["victims"][0]["stack"] = 1
    track, submission = Track.from_document(keys), Submission.from_bytes("first.py", tiny.POISONER.encode(), {})
    local = conductor.evaluate(submission, track, store=Store(tmp_path / "local"), workers=1)
    with cluster.running((1,)) as made:
        for name, more in (("one", 0), ("two", 1)):
            added = [made.node(1) for _ in range(more)]
            pool = nodes.engine("ray", None, "cpu", made.address)
            deadline = time.monotonic() + 120
            while len(pool.everywhere(WORK, {"n": 1})) < 1 + more and time.monotonic() < deadline:
                time.sleep(1)
            record = conductor.evaluate(submission, track, store=Store(tmp_path / name), engine=pool)
            assert record.sha256 == local.sha256
            assert {k: v for k, v in record.document.items() if k != "run"} == {
                k: v for k, v in local.document.items() if k != "run"
            }
            assert record.document["run"]["engine"] == "ray" and len(pool.done_by()) == 1 + more
        events = pool.map(WORK, [{"n": n, "log": str(tmp_path / "log"), "seconds": 1.0} for n in range(8)])
        first = next(events)
        cluster.kill_tree(added[0])
        assert {i for i, _, _ in [first, *events]} == set(range(8))


@needs_ray
@pytest.mark.slow
def test_a_cluster_whose_head_dies_is_one_sentence(variables: None, tmp_path: Path) -> None:
    with cluster.running((1,)) as made:
        pool = engine("ray", 0, address=made.address)
        deadline = time.monotonic() + 120
        while not pool.everywhere(WORK, {"n": 1}) and time.monotonic() < deadline:
            time.sleep(1)
        events = pool.map(WORK, [{"n": n, "log": str(tmp_path / "log"), "seconds": 2.0} for n in range(20)])
        next(events)
        cluster.kill_tree(made.processes[0])
        with pytest.raises(UnavailableError, match=r"the Ray cluster at .* went away .*the same command goes on"):
            list(events)
