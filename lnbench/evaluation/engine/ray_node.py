"""What runs on a node of a Ray cluster: a worker process like the local engine's, which a Ray worker asks.

The Ray worker computes nothing itself. So a cell sees the same environment, thread count and code path as in the local
engine, and gives the same bits; and when Ray or the system kills a Ray worker, its process goes with it.
"""

from __future__ import annotations

import os
from typing import Any

from lnbench import __version__
from lnbench.evaluation.engine.process import WorkerProcess

_TRIES = 2
_workers: dict[str, WorkerProcess] = {}
"""The process of this Ray worker, under the GPUs that it sees."""


def work(function: str, cell: dict[str, Any], version: str) -> dict[str, Any]:
    """A cell's answer, from a process that is kept for the next cell.

    Args:
        version: the caller's lnbench; another one here computes nothing.
    """
    if version != __version__:
        return _missing(f"lnbench {__version__} is installed there, and {version} here; install the same on all nodes.")
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    for other in _workers.keys() - {seen}:
        _workers.pop(other).bury()
    worker = _workers.setdefault(seen, WorkerProcess())
    for _ in range(_TRIES):
        answer = worker.ask(function, cell, lambda share: None)
        if answer is not None:
            return answer
    status = worker.process.returncode if worker.process else None
    return _missing(
        f"a worker process died twice on the same cell (exit status {status}; −9 usually means out of memory); what is "
        "finished is in the store: try again with fewer --workers."
    )


def _missing(message: str) -> dict[str, Any]:
    return {"error": "UnavailableError", "message": message}
