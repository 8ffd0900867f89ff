"""How far a campaign is, read from its store alone: pieces that are there, and what its processes said last."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lnbench.evaluation import beats, campaign
from lnbench.evaluation.store import Store


@dataclass(frozen=True)
class TrackStatus:
    """One track of a campaign.

    Attributes:
        labels, labels_done: splits to be poisoned, over all rows, and those whose labels are stored.
        cells, done: cells of all rows and those whose results are stored; shared ones count once.
        running: cells that living processes say they are at.
        victims_left: networks in the cells that are left.
    """

    track: str
    labels: int
    labels_done: int
    cells: int
    done: int
    running: int
    victims_left: int


@dataclass(frozen=True)
class WorkerStatus:
    """One process of a campaign, as it said last.

    Attributes:
        worker: host and process.
        share: `i/n` of a shard, or None.
        nodes: how many cells each node of its engine has finished.
        time: when it said so, in seconds since the epoch, by its own clock.
        alive: whether it is at work.
    """

    worker: str
    engine: str
    share: str | None
    stage: str
    track: str
    running: int
    nodes: Mapping[str, int]
    time: float
    alive: bool


@dataclass(frozen=True)
class Status:
    """A campaign.

    Attributes:
        rows: poisoners on tracks.
        failed: rows whose poisoner failed; they have no cells.
        seconds_left: for the victims, at the pace of the processes that are at work; None if none is.
    """

    campaign: str
    rows: int
    failed: int
    tracks: tuple[TrackStatus, ...]
    workers: tuple[WorkerStatus, ...]
    seconds_left: float | None

    @property
    def done(self) -> int:
        """Cells that are stored."""
        return sum(track.done for track in self.tracks)

    @property
    def total(self) -> int:
        """Cells there are."""
        return sum(track.cells for track in self.tracks)

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return dataclasses.asdict(self)


def status(store: Store, identity: str | None = None) -> Status | None:
    """How far a campaign is; None if the store does not know it.

    Args:
        identity: which one; the one that was announced last if None.
    """
    announced = store.values(campaign.KIND)
    if identity is None and announced:
        identity = max(announced, key=lambda item: float(item[1]["time"]))[0]["campaign"]
    pieces = [(name, value) for name, value in announced if name["campaign"] == identity]
    if identity is None or not pieces:
        return None
    labels, cells = store.keys("labels"), store.keys("cells")
    said, now = beats.read(store, identity), time.time()
    workers = tuple(_worker(worker, words, now) for worker, words in said)
    tracks = []
    for track in sorted({name["track"] for name, _ in pieces}):
        values = [value for name, value in pieces if name["track"] == track]
        wanted = [key for value in values for key in value["labels"]]
        of_track = [(key, victims) for value in values for key, victims in value["cells"]]
        done = sum(key in cells for key, _ in of_track)
        left = len(of_track) - done
        running = sum(w.running for w in workers if w.alive and w.track == track and w.stage == "victims")
        tracks.append(
            TrackStatus(
                track,
                len(wanted),
                sum(key in labels for key in wanted),
                len(of_track),
                done,
                min(running, left),
                sum(victims for key, victims in of_track if key not in cells),
            )
        )
    pace = sum(float(words["rate"]) for _, words in said if beats.alive(words, now) and words["stage"] == "victims")
    victims = sum(track.victims_left for track in tracks)
    rows = sum(name["row"] is not None for name, _ in pieces)
    failed = sum(bool(value["failed"]) for _, value in pieces)
    return Status(identity, rows, failed, tuple(tracks), workers, victims / pace if pace > 0 else None)


def _worker(worker: str, words: Mapping[str, Any], now: float) -> WorkerStatus:
    return WorkerStatus(
        worker,
        words["engine"],
        words["share"],
        words["stage"],
        words["track"],
        int(words.get("running", 0)),
        words.get("nodes", {}),
        float(words["time"]),
        beats.alive(words, now),
    )
