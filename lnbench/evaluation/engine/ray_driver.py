"""The process that talks to Ray: requests come as JSON lines on standard input, events leave on standard output.

A process of its own, because Ray ends its driver without a word when the head or the driver's raylet is gone, and that
must not be the referee. When the referee goes, standard input ends, and so does this; Ray then ends the job's tasks.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, BinaryIO

_RETRIES = 4
"""Times that Ray starts a cell again whose worker or node died."""
_ALONE = 60.0
"""Seconds for which a cluster that has lost all its nodes may get new ones."""
_QUEUED = 2
"""Cells handed to Ray for each processor: one runs, one waits, so that no processor waits for this process."""


def main() -> None:
    """Serve until standard input ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    requests: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    try:
        driver = _Driver(out, **json.loads(requests.get()))
        while True:
            request = json.loads(requests.get())
            if request.pop("everywhere", False):
                driver.everywhere(**request)
            else:
                driver.map(**request)
    except BaseException as error:
        _send(out, {"gone": f"{type(error).__name__}: {error}"})
        out.flush()
        os._exit(1)


class _Driver:
    """A connection to a cluster.

    Args:
        out: where events go.
        address: `host:port` or `auto`; None starts Ray on this machine, for as long as this process lives.
        workers: cells at once; None for as many as the cluster takes.
        version: of lnbench, which all nodes must have.
        folders: put on the search path for modules of workers that are started here.
    """

    def __init__(self, out: BinaryIO, address: str | None, workers: int | None, version: str) -> None:
        import ray
        from ray import cloudpickle

        self.ray, self.out, self.workers, self.version = ray, out, workers, version
        own: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False, "object_store_memory": 100 << 20}
        ray.init(address=address or "local", log_to_driver=False, **({} if address else own))
        cloudpickle.register_pickle_by_value(sys.modules[__name__])
        self.task = ray.remote(max_retries=_RETRIES)(_on_node)
        _send(out, {"ready": ray.__version__})

    def nodes(self) -> list[dict[str, Any]]:
        """The living nodes that have processors for cells."""
        return [node for node in self.ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]

    def everywhere(self, function: str, cell: dict[str, Any]) -> None:
        """Send one event with what the function says on each node."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        asked = {}
        for node in self.nodes():
            strategy = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            task = self.task.options(num_cpus=0, scheduling_strategy=strategy)
            asked[_name(node["NodeManagerHostname"], node["NodeID"])] = task.remote(function, cell, self.version)
        said = {}
        for name, reference in asked.items():
            try:
                said[name] = self.ray.get(reference)["answer"]
            except self.ray.exceptions.RayError as error:
                said[name] = {"error": "UnavailableError", "message": f"it does not answer ({_first(error)})."}
        _send(self.out, {"everywhere": said})

    def map(self, function: str, cells: Sequence[dict[str, Any]], needs: Sequence[dict[str, float]]) -> None:
        """Run all cells; one event for each, then one that says so."""
        resources = [node["Resources"] for node in self.nodes()]
        if not resources:
            raise RuntimeError("no node of the cluster has a processor for cells")
        most = {"num_gpus": _most(resources, "GPU"), "memory": _most(resources, "memory")}
        slots = int(sum(node["CPU"] for node in resources))
        window = min(self.workers or slots * _QUEUED, max(1, slots * _QUEUED))
        alone = time.monotonic() + _ALONE
        todo, running = list(reversed(range(len(cells)))), dict[Any, int]()
        while todo or running:
            while todo and len(running) < window:
                index = todo.pop()
                wanted = {name: min(value, most[name]) for name, value in needs[index].items()}
                if wanted.get("num_gpus") == 0 and needs[index]["num_gpus"] > 0:
                    raise RuntimeError("no node of the cluster has a GPU")
                task = self.task.options(num_cpus=1, **wanted)
                running[task.remote(function, cells[index], self.version)] = index
            ready = self.ray.wait(list(running), num_returns=1, timeout=1.0)[0]
            if ready or self.nodes():
                alone = time.monotonic() + _ALONE
            elif time.monotonic() > alone:
                raise RuntimeError(f"it has had no node for {_ALONE:g} s")
            for reference in ready:
                index = running.pop(reference)
                try:
                    _send(self.out, {"index": index, **self.ray.get(reference)})
                except self.ray.exceptions.RayError as error:
                    message = f"Ray gave a cell up after {_RETRIES} more tries: {_first(error)}"
                    _send(self.out, {"index": index, "answer": {"error": "UnavailableError", "message": message}})
        _send(self.out, {"done": True})


def _on_node(function: str, cell: dict[str, Any], version: str) -> dict[str, Any]:
    """Runs in a Ray worker, pickled by value: it may be a node without lnbench, or with another one."""
    import socket

    import ray

    name = f"{socket.gethostname()}/{ray.get_runtime_context().get_node_id()[:6]}"
    try:
        from lnbench.evaluation.engine.ray_node import work
    except ImportError as error:
        message = f"lnbench {version} is not installed there ({error}); install the same on all nodes."
        return {"node": name, "answer": {"error": "UnavailableError", "message": message}}
    return {"node": name, "answer": work(function, cell, version)}


def _name(host: str, node: str) -> str:
    return f"{host}/{node[:6]}"


def _most(resources: Sequence[dict[str, float]], name: str) -> float:
    return max((node.get(name, 0.0) for node in resources), default=0.0)


def _first(error: BaseException) -> str:
    """The first line of what Ray says."""
    return str(error).strip().partition("\n")[0][:200] or type(error).__name__


def _read(requests: queue.Queue[bytes]) -> None:
    for line in sys.stdin.buffer:
        requests.put(line)
    os._exit(0)


def _send(out: BinaryIO, message: dict[str, Any]) -> None:
    out.write(json.dumps(message).encode() + b"\n")
    out.flush()
