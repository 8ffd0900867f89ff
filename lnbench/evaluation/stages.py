"""The two stages that take time, each over the store: what is kept is not computed again, what arrives is kept.

`evaluate` knows their order; these know how to cut a stage into pieces, name the pieces, and tell how far they are.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lnbench import data
from lnbench.evaluation.code_hash import guest_code_sha256
from lnbench.evaluation.engine import Engine
from lnbench.evaluation.progress import OnProgress, Progress
from lnbench.evaluation.store import Store
from lnbench.poison import caches
from lnbench.poison.run import PoisonedLabels, Submission, poison
from lnbench.protocol import Streams, Track, applied, changed


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
) -> tuple[list[PoisonedLabels], bool]:
    """One sandboxed process per split, `workers` at once; labels are kept as soon as they arrive.

    Args:
        twice: run the first split a second time beside the others; kept apart, so that a resumed run says the same.
        apart: run one guest at a time and empty the kernel's caches before each, so that none tells another what it
            was given: for splits that are secret.

    Returns:
        What came of every split, and whether the first gave the same labels both times; True unless asked.
    """
    runs = [(split, store) for split in range(len(points))]
    runs += [(0, Store(store.root / "repeats"))] if twice else []
    names = [_labels_name(submission, track, streams, mode, split) for split, _ in runs]
    found: dict[int, PoisonedLabels] = {}
    for i, (split, place) in enumerate(runs):
        if (kept := place.get("labels", names[i])) is not None:
            labels = applied(points[split].labels, kept.pop("flips"))
            found[i] = PoisonedLabels(labels=labels, **kept)
    reused, clock = len(found), time.monotonic()
    todo = [i for i in range(len(runs)) if i not in found]
    cancel = threading.Event()
    note = f"{submission.name} on {track.name}{', the first split twice' if twice else ''}"

    def one(i: int) -> PoisonedLabels:
        split, _ = runs[i]
        if apart:
            caches.empty()
        return poison_split(submission, track, points[split], streams, split, mode, cancel)

    def tell() -> None:
        fresh = len(found) - reused
        left = (time.monotonic() - clock) / fresh * (len(runs) - len(found)) if fresh else None
        notify(Progress("poison", len(found), len(runs), reused, left, note))

    tell()
    for i, made in _in_threads(one, todo, 1 if apart else workers, cancel):
        found[i] = made
        split, place = runs[i]
        kept = {k: getattr(made, k) for k in _KEPT_OF_POISONED}
        place.put("labels", names[i], {**kept, "flips": changed(points[split].labels, made.labels)})
        tell()
    same = not twice or bool((found[0].labels == found[len(points)].labels).all())
    return [found[split] for split in range(len(points))], same


_KEPT_OF_POISONED = (
    *("trainings", "seconds", "log", "description", "author", "paper", "license"),
    *("parameters", "overrides", "sandbox", "memory_cap"),
)


def poison_split(
    submission: Submission,
    track: Track,
    points: data.Split,
    streams: Streams,
    split: int,
    mode: str,
    cancel: threading.Event | None = None,
) -> PoisonedLabels:
    """The poisoner's answer for one split, from a process of its own; raises as `lnbench.poison.run.poison`."""
    return poison(submission, points, track, split, streams, mode=mode, cancel=cancel)


def _in_threads(
    function: Callable[[int], PoisonedLabels], items: list[int], threads: int, cancel: threading.Event
) -> Iterator[tuple[int, PoisonedLabels]]:
    """Yield results as they come; on an error, or when closed, `cancel` is set and the threads waited for."""
    todo: queue.Queue[int] = queue.Queue()
    results: queue.Queue[tuple[int, PoisonedLabels | BaseException]] = queue.Queue()
    for item in items:
        todo.put(item)

    def work() -> None:
        while not cancel.is_set():
            try:
                item = todo.get_nowait()
            except queue.Empty:
                return
            try:
                results.put((item, function(item)))
            except BaseException as error:
                results.put((item, error))

    pool = [threading.Thread(target=work, daemon=True) for _ in range(min(threads, len(items)))]
    try:
        for thread in pool:
            thread.start()
        for _ in items:
            item, result = results.get()
            if isinstance(result, BaseException):
                raise result
            yield item, result
    finally:
        cancel.set()
        for thread in pool:
            thread.join()


def _labels_name(submission: Submission, track: Track, streams: Streams, mode: str, split: int) -> dict[str, Any]:
    return {
        "track": track.sha256,
        "salt": streams.commitment,
        "source": submission.sha256,
        "parameters": dict(submission.parameters),
        "split": split,
        "sandbox": mode,
        "code": guest_code_sha256(),
    }


def train_all(
    cells: Sequence[dict[str, Any]],
    names: Sequence[dict[str, Any]],
    engine: Engine,
    store: Store,
    notify: OnProgress,
    *,
    function: str = "lnbench.evaluation.cells:run",
    kind: str = "cells",
) -> list[dict[str, Any]]:
    """Every cell's result, from the store or a worker; each is kept as soon as it arrives.

    Args:
        names: what each cell's result depends on.
        function: what a worker calls on a cell.
        kind: the results' folder in the store.
    """
    results: dict[int, dict[str, Any]] = {}
    for i, name in enumerate(names):
        if (kept := store.get(kind, name)) is not None:
            results[i] = kept
    todo = [i for i in range(len(cells)) if i not in results]
    total, reused = sum(len(c["places"]) for c in cells), sum(len(cells[i]["places"]) for i in results)
    clock, shares = time.monotonic(), dict.fromkeys(todo, 0.0)
    weight = {i: len(cells[i]["places"]) for i in todo}

    def tell() -> None:
        fresh = sum(weight[i] * shares[i] for i in todo)
        left = (time.monotonic() - clock) * (total - reused - fresh) / fresh if fresh > 0 else None
        notify(Progress("victims", reused + fresh, total, reused, left))

    tell()
    for at, share, result in engine.map(function, [cells[i] for i in todo]):
        shares[todo[at]] = share
        if result is not None:
            results[todo[at]] = result
            store.put(kind, names[todo[at]], result)
        tell()
    return [results[i] for i in range(len(cells))]
