"""The two stages that take time, poisoning and training, each cut into pieces that are stored one by one.

The conductor knows their order; these know their pieces, and what each piece's result depends on.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lnbench import data
from lnbench.evaluation.engine import Engine
from lnbench.evaluation.label_runs import FUNCTION, LabelRuns, poison_split, stored, verdict_of
from lnbench.evaluation.progress import OnProgress
from lnbench.evaluation.reuse import Result, gather
from lnbench.evaluation.store import Store
from lnbench.poison import caches
from lnbench.poison.run import PoisonedLabels, Submission
from lnbench.protocol import Streams, Track


def poison_all(
    submission: Submission,
    track: Track,
    points: Sequence[data.Split],
    streams: Streams,
    mode: str,
    workers: int,
    store: Store,
    notify: OnProgress,
    *,
    twice: bool = False,
    apart: bool = False,
    engine: Engine | None = None,
) -> tuple[list[PoisonedLabels], bool]:
    """The poisoner's labels for every split: one sandboxed process a split, `workers` at once.

    Args:
        twice: run some splits, drawn in secret, a second time.
        apart: run one guest at a time and empty the kernel's caches before each, so that none tells another what it
            was given: for splits that are secret.
        engine: where the sandboxes are; this machine if None.

    Returns:
        The answer for every split, and whether those run twice gave the same labels both times; True unless asked.
    """
    runs = LabelRuns(submission, track, streams, mode, len(points), store, twice=twice)
    cancel, there = threading.Event(), runs.load()

    def one(i: int) -> Result:
        split, _ = runs.runs[i]
        if apart:
            caches.empty()
        return stored(poison_split(submission, track, points[split], streams, split, mode, cancel), points[split])

    def compute(missing: list[int]) -> Iterator[tuple[int, float, Result | None]]:
        if engine is None:
            yield from in_threads(one, missing, 1 if apart else workers, cancel)
            return
        for place, share, result in engine.map(FUNCTION, [runs.cell(i) for i in missing]):
            if result is not None and (error := verdict_of(result)) is not None:
                raise error
            yield place, share, result

    again = f", {len(runs.again)} of {len(points)} splits twice" if runs.again else ""
    results = gather(
        "poison",
        [1] * len(runs.runs),
        load=lambda i: there[i],
        compute=compute,
        keep=runs.keep,
        notify=notify,
        note=f"{submission.name} on {track.name}{again}",
    )
    return runs.answers(points, results)


def in_threads(
    function: Callable[[int], Result], items: list[int], threads: int, cancel: threading.Event
) -> Iterator[tuple[int, float, Result]]:
    """Yield (place, 1, result) as they come; at the end, also of an error, `cancel` is set and the threads joined."""
    todo: queue.Queue[int] = queue.Queue()
    results: queue.Queue[tuple[int, Result | BaseException]] = queue.Queue()
    for place in range(len(items)):
        todo.put(place)

    def work() -> None:
        while not cancel.is_set():
            try:
                place = todo.get_nowait()
            except queue.Empty:
                return
            try:
                results.put((place, function(items[place])))
            except BaseException as error:
                results.put((place, error))

    pool = [threading.Thread(target=work, daemon=True) for _ in range(min(threads, len(items)))]
    try:
        for thread in pool:
            thread.start()
        for _ in items:
            place, result = results.get()
            if isinstance(result, BaseException):
                raise result
            yield place, 1.0, result
    finally:
        cancel.set()
        for thread in pool:
            thread.join()


def train_all(
    cells: Sequence[dict[str, Any]],
    names: Sequence[dict[str, Any]],
    engine: Engine,
    store: Store,
    notify: OnProgress,
    *,
    function: str = "lnbench.evaluation.cells:run",
    kind: str = "cells",
    seen: Callable[[int, Result], None] | None = None,
) -> list[Result]:
    """Every cell's result, from the store or a worker.

    Args:
        names: what each cell's result depends on.
        function: what a worker calls on a cell.
        kind: the results' folder in the store.
        seen: called with each cell's place and result: at once where it is stored, else as it arrives.
    """
    there = store.get_all(kind, names)
    for i, result in enumerate(there):
        if seen is not None and result is not None:
            seen(i, result)

    def keep(i: int, result: Result) -> None:
        store.put(kind, names[i], result)
        if seen is not None:
            seen(i, result)

    return gather(
        "victims",
        [len(cell["places"]) for cell in cells],
        load=lambda i: there[i],
        compute=lambda missing: engine.map(function, [cells[i] for i in missing]),
        keep=keep,
        notify=notify,
    )
