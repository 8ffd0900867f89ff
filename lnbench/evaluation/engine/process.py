"""One worker process, seen from its parent: it is asked for cells one by one, and may die at any time."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from lnbench.evaluation.engine import handover
from lnbench.evaluation.engine.interface import Cell

_PACKAGE = Path(__file__).resolve().parents[2]
_BOOT = """
import sys
from importlib.util import module_from_spec, spec_from_file_location

folder = sys.argv.pop()
spec = spec_from_file_location("lnbench", folder + "/__init__.py", submodule_search_locations=[folder])
sys.modules["lnbench"] = module_from_spec(spec)
spec.loader.exec_module(sys.modules["lnbench"])
from lnbench.evaluation.engine.worker import main

main()
"""
"""Not `-m`: the worker runs the caller's lnbench, from wherever that was imported, and no folder joins its path."""


class WorkerProcess:
    """A worker that is started when it is first asked, and again after it died.

    Args:
        variables: environment variables of its own, over those that every worker is handed.
    """

    def __init__(self, variables: Mapping[str, str] | None = None) -> None:
        self.variables = dict(variables or {})
        self.process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def ask(self, function: str, cell: Cell, report: Callable[[float], None]) -> Cell | None:
        """Its answer, `{"result": …}` or `{"error": class or "", "message": …}`; None if it died.

        Args:
            report: called with the share of the cell that is done.
        """
        with self._lock:
            if self._stopped:
                raise RuntimeError("stopped")
            if self.process is None or self.process.poll() is not None:
                self.process = _spawn(self.variables)
            process = self.process
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a worker has no pipes")
        try:
            process.stdin.write(json.dumps({"function": function, "cell": cell}).encode() + b"\n")
            process.stdin.flush()
        except OSError:
            _bury(process)
            return None
        for line in process.stdout:
            try:
                answer: Cell = json.loads(line)
            except ValueError:
                break
            if "share" in answer:
                report(float(answer["share"]))
            else:
                return answer
        _bury(process)
        return None

    def stop(self) -> None:
        """Kill it, now and for good; safe from another thread."""
        with self._lock:
            self._stopped = True
            if self.process is not None:
                self.process.kill()

    def bury(self) -> None:
        """Kill it and give back what it held."""
        if self.process is not None:
            _bury(self.process)


def _bury(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _spawn(variables: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """A worker, whose code and arithmetic depend on no file of the working folder and no variable of the caller's."""
    try:
        os.fstat(2)
        messages = None
    except OSError:  # this process has no standard error that a worker could write to
        messages = subprocess.DEVNULL
    return subprocess.Popen(
        [sys.executable, "-P", "-c", _BOOT, str(_PACKAGE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=messages,
        env={**handover.environment(), **variables},
        start_new_session=True,
    )
