"""The two stages that take time, poisoning and training, each cut into pieces that are stored one by one.

The conductor knows their order; these know their pieces, and what each piece's result depends on.
"""

from __future__ import annotations

import dataclasses
import queue
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lnbench import data
from lnbench.evaluation.code_hash import guest_code_sha256
from lnbench.evaluation.engine import Engine
from lnbench.evaluation.progress import OnProgress
from lnbench.evaluation.reuse import Result, gather
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
    """The poisoner's labels for every split: one sandboxed process a split, `workers` at once.

    Args:
        twice: run some splits, drawn in secret, a second time; their answers have a store of their own, so that a
            resumed run finds both.
        apart: run one guest at a time and empty the kernel's caches before each, so that none tells another what it
            was given: for splits that are secret.

    Returns:
        The answer for every split, and whether those run twice gave the same labels both times; True unless asked.
    """
    runs, repeats = [(split, store) for split in range(len(points))], Store(store.root / "repeats")
    draw = {**_labels_name(submission, track, streams, mode, 0), "split": None, "splits": len(points)}
    again = repeated(draw, repeats) if twice else []
    runs += [(split, repeats) for split in again]
    names = [_labels_name(submission, track, streams, mode, split) for split, _ in runs]
    cancel = threading.Event()

    def one(i: int) -> Result:
        split, _ = runs[i]
        if apart:
            caches.empty()
        made = poison_split(submission, track, points[split], streams, split, mode, cancel)
        return _stored(made, points[split])

    def keep(i: int, result: Result) -> None:
        if again and repeats.get("splits", draw) is None:
            repeats.put("splits", draw, {"splits": again})
        runs[i][1].put("labels", names[i], result)

    results = gather(
        "poison",
        [1] * len(runs),
        load=lambda i: _complete(runs[i][1].get("labels", names[i])),
        compute=lambda missing: in_threads(one, missing, 1 if apart else workers, cancel),
        keep=keep,
        notify=notify,
        note=f"{submission.name} on {track.name}{f', {len(again)} of {len(points)} splits twice' if again else ''}",
    )
    poisoned = [_restored(result, points[split]) for result, (split, _) in zip(results, runs, strict=True)]
    same = all((poisoned[split].labels == poisoned[i].labels).all() for i, split in enumerate(again, len(points)))
    return poisoned[: len(points)], same


def repeated(draw: dict[str, Any], store: Store) -> list[int]:
    """Which splits are run twice: two, or one of two, and not the first alone.

    A poisoner that knew them could draw its luck on the others. They are drawn once for each row of a store, where they
    are kept beside the first labels, and do not enter the record.

    Args:
        draw: what the draw is for; `splits` is how many there are.
    """
    if (drawn := store.get("splits", draw)) is not None:
        return [int(split) for split in drawn["splits"]]
    splits = int(draw["splits"])
    among, number = (range(splits), 2) if splits > 2 else (range(splits - 1, splits), 1)
    return sorted(secrets.SystemRandom().sample(among, number))


_STORED = tuple(f.name for f in dataclasses.fields(PoisonedLabels) if f.name != "labels")


def _stored(made: PoisonedLabels, points: data.Split) -> Result:
    """An answer as it is stored: the flips instead of all labels."""
    return {**{name: getattr(made, name) for name in _STORED}, "flips": changed(points.labels, made.labels)}


def _complete(result: Result | None) -> Result | None:
    """A stored answer, unless another version of lnbench stored it with other fields."""
    return result if result is not None and result.keys() == {*_STORED, "flips"} else None


def _restored(result: Result, points: data.Split) -> PoisonedLabels:
    """The answer that was stored."""
    fields = {name: value for name, value in result.items() if name != "flips"}
    return PoisonedLabels(labels=applied(points.labels, result["flips"]), **fields)


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
) -> list[Result]:
    """Every cell's result, from the store or a worker.

    Args:
        names: what each cell's result depends on.
        function: what a worker calls on a cell.
        kind: the results' folder in the store.
    """
    return gather(
        "victims",
        [len(cell["places"]) for cell in cells],
        load=lambda i: store.get(kind, names[i]),
        compute=lambda missing: engine.map(function, [cells[i] for i in missing]),
        keep=lambda i, result: store.put(kind, names[i], result),
        notify=notify,
    )
