"""Worker processes on this machine, each with exactly one intra-op thread.

A process of its own per worker, because one and two threads give different bits, and because a worker that the system
kills (memory) then costs one cell, which is tried once more, and not the run.
"""

from __future__ import annotations

import collections
import importlib
import queue
import socket
import threading
from collections.abc import Iterator, Mapping, Sequence

from lnbench import errors
from lnbench.evaluation.engine.interface import Cell
from lnbench.evaluation.engine.process import WorkerProcess

_TRIES = 2

_Events = queue.Queue[tuple[int, float, Cell | None] | BaseException]


class LocalEngine:
    """`workers` subprocesses.

    Args:
        workers: processes at once.
        gpus: ids as in `CUDA_VISIBLE_DEVICES`; worker i sees GPU i of them alone, in turn. Empty: all see what this
            process sees.
    """

    name = "local"

    def __init__(self, workers: int, gpus: Sequence[str] = ()) -> None:
        if workers < 1:
            raise errors.ProtocolError(f"the number of workers must be at least 1; got {workers}.")
        self.workers, self.gpus = workers, tuple(gpus)
        self._done: collections.Counter[str] = collections.Counter()

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
        events: _Events = queue.Queue()
        pool = [_Worker(function, cells, todo, events, self._sees(i)) for i in range(min(self.workers, len(cells)))]
        try:
            for worker in pool:
                worker.start()
            left = len(cells)
            while left:
                event = events.get()
                if isinstance(event, BaseException):
                    raise event
                if event[2] is not None:
                    left -= 1
                    self._done[socket.gethostname()] += 1
                yield event
        finally:
            for worker in pool:
                worker.stop()

    def everywhere(self, function: str, cell: Cell) -> dict[str, Cell]:
        """The function's result in this process, which is on the one machine that there is."""
        module, _, name = function.partition(":")
        return {socket.gethostname(): getattr(importlib.import_module(module), name)(cell)}

    def done_by(self) -> Mapping[str, int]:
        """How many cells were finished here."""
        return self._done

    def _sees(self, worker: int) -> dict[str, str]:
        return {"CUDA_VISIBLE_DEVICES": self.gpus[worker % len(self.gpus)]} if self.gpus else {}


class _Worker(threading.Thread):
    """The thread that asks one worker process for cell after cell."""

    def __init__(
        self,
        function: str,
        cells: Sequence[Cell],
        todo: queue.Queue[int],
        events: _Events,
        variables: Mapping[str, str],
    ) -> None:
        super().__init__(daemon=True)
        self.function, self.cells, self.todo, self.events = function, cells, todo, events
        self.worker = WorkerProcess(variables)

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
        self.worker.stop()
        if self.ident is not None:
            self.join()
        self.worker.bury()

    def _compute(self, index: int) -> None:
        for _ in range(_TRIES):
            report = lambda share: self.events.put((index, share, None))  # noqa: E731
            answer = self.worker.ask(self.function, self.cells[index], report)
            if answer is None:
                continue
            if "error" in answer:
                kind = getattr(errors, answer["error"], None) if answer["error"] else None
                raise (kind or RuntimeError)(answer["message"])
            self.events.put((index, 1.0, answer["result"]))
            return
        status = self.worker.process.returncode if self.worker.process else None
        raise errors.UnavailableError(
            f"a worker process died twice on the same cell (exit status {status}; −9 usually means out of memory); "
            "what is finished is in the store: try again with fewer --workers."
        )
