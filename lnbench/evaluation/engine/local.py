"""Worker processes on this machine, each with exactly one intra-op thread.

A process of its own per worker, because one and two threads give different bits, and because a worker that the system
kills (memory) then costs one cell, which is tried once more, and not the run.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from lnbench import errors
from lnbench.evaluation.engine import handover
from lnbench.evaluation.engine.interface import Cell

_TRIES = 2
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


class LocalEngine:
    """`workers` subprocesses."""

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise errors.ProtocolError(f"the number of workers must be at least 1; got {workers}.")
        self.workers = workers

    def map(self, function: str, cells: Sequence[Cell]) -> Iterator[tuple[int, float, Cell | None]]:
        """Yield progress and results as they come; on any error, or when closed, every worker is killed.

        Raises:
            LnbenchError: as raised in a worker.
            UnavailableError: if a cell's worker is killed twice.
            RuntimeError: if a worker raised anything else, with its traceback.
        """
        todo: queue.Queue[int] = queue.Queue()
        for i in range(len(cells)):
            todo.put(i)
        events: queue.Queue[tuple[int, float, Cell | None] | BaseException] = queue.Queue()
        pool = [_Worker(function, cells, todo, events) for _ in range(min(self.workers, len(cells)))]
        try:
            for worker in pool:
                worker.start()
            left = len(cells)
            while left:
                event = events.get()
                if isinstance(event, BaseException):
                    raise event
                left -= event[2] is not None
                yield event
        finally:
            for worker in pool:
                worker.stop()


class _Worker(threading.Thread):
    """The parent's side of one worker process."""

    def __init__(
        self,
        function: str,
        cells: Sequence[Cell],
        todo: queue.Queue[int],
        events: queue.Queue[tuple[int, float, Cell | None] | BaseException],
    ) -> None:
        super().__init__(daemon=True)
        self.function, self.cells, self.todo, self.events = function, cells, todo, events
        self.process: subprocess.Popen[bytes] | None = None
        self.stopped = False
        self.lock = threading.Lock()

    def run(self) -> None:
        try:
            while True:
                try:
                    index = self.todo.get_nowait()
                except queue.Empty:
                    return
                self._compute(index)
        except BaseException as error:
            self.events.put(error)

    def stop(self) -> None:
        with self.lock:
            self.stopped = True
            if self.process is not None:
                self.process.kill()
        if self.ident is not None:
            self.join()
        if self.process is not None:
            _bury(self.process)

    def _compute(self, index: int) -> None:
        for _ in range(_TRIES):
            answer = self._ask(index)
            if answer is None:
                continue
            if "error" in answer:
                kind = getattr(errors, answer["error"], None) if answer["error"] else None
                raise (kind or RuntimeError)(answer["message"])
            self.events.put((index, 1.0, answer["result"]))
            return
        status = self.process.returncode if self.process else None
        raise errors.UnavailableError(
            f"a worker process died twice on the same cell (exit status {status}; −9 usually means out of memory); "
            "what is finished is in the store: try again with fewer --workers."
        )

    def _ask(self, index: int) -> Cell | None:
        """The worker's answer, or None if it died."""
        with self.lock:
            if self.stopped:
                raise RuntimeError("stopped")
            if self.process is None or self.process.poll() is not None:
                self.process = _spawn()
            process = self.process
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a worker has no pipes")
        try:
            process.stdin.write(json.dumps({"function": self.function, "cell": self.cells[index]}).encode() + b"\n")
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
                self.events.put((index, float(answer["share"]), None))
            else:
                return answer
        _bury(process)
        return None


def _bury(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and give back what it held."""
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _spawn() -> subprocess.Popen[bytes]:
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
        env=handover.environment(),
        start_new_session=True,
    )
