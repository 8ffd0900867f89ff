"""What a campaign's processes say of themselves in its store, for `lnbench status` on any host.

Each says every few seconds where it is; one that has been silent for longer is taken for dead. What it says is never
believed of results: what is done is what lies in the store.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from lnbench.evaluation.engine import Engine
from lnbench.evaluation.progress import OnProgress, Progress
from lnbench.evaluation.store import Store

EVERY = 5.0
"""Seconds between two beats."""
SILENT = 30.0
"""Seconds after which a process that said nothing counts as dead."""
KIND = "beats"


class Beats:
    """The beats of this process; as a context manager it beats until the end.

    Args:
        campaign: its identity.
        share: `i/n` of a shard, or None.
        workers: cells at once.
        notify: told every report too.
    """

    def __init__(
        self, store: Store, campaign: str, engine: Engine, share: str | None, workers: int, notify: OnProgress
    ) -> None:
        self.store, self.engine, self.notify, self.workers = store, engine, notify, workers
        self.worker = f"{socket.gethostname()}:{os.getpid()}"
        self.name = {"campaign": campaign, "worker": self.worker}
        self._said: dict[str, Any] = {"engine": engine.name, "share": share, "stage": "starting", "track": ""}
        self._begin: tuple[str, float, float] = ("", 0.0, 0.0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Beats:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()

    def on(self, track: str) -> OnProgress:
        """Takes the reports of work on a track."""

        def told(progress: Progress) -> None:
            now, stage = time.monotonic(), f"{track} {progress.stage}"
            fresh = progress.done - progress.reused
            if self._begin[0] != stage:
                self._begin = stage, now, fresh
            seconds = now - self._begin[1]
            self._said |= {
                "stage": progress.stage,
                "track": track,
                "done": progress.done,
                "total": progress.total,
                "running": min(self.workers, int(progress.total - progress.done)),
                "rate": (fresh - self._begin[2]) / seconds if seconds > 0 else 0.0,
                "nodes": dict(self.engine.done_by()),
            }
            self.notify(progress)

        return told

    def _beat(self) -> None:
        while not self._ended.wait(0 if "time" not in self._said else EVERY):
            self._say()
        self._said |= {"stage": "ended", "running": 0, "rate": 0.0}
        self._say()

    def _say(self) -> None:
        self._said["time"] = time.time()
        with contextlib.suppress(Exception):  # a beat that is lost is no loss
            self.store.post(KIND, self.name, dict(self._said))


def read(store: Store, campaign: str) -> list[tuple[str, dict[str, Any]]]:
    """What each process of a campaign said last: (worker, its words), the latest first."""
    said = [(name["worker"], value) for name, value in store.values(KIND) if name["campaign"] == campaign]
    return sorted(said, key=lambda item: -float(item[1]["time"]))


def alive(said: Mapping[str, Any], now: float) -> bool:
    """Whether a process that said this is at work."""
    return said["stage"] != "ended" and now - float(said["time"]) < SILENT
