"""A campaign: many poisoners on many tracks, as one pool of pieces for an engine, and a record for each at the end.

Track by track, the labels of all rows are made, then the arms that all rows share are trained, then the rows' own. A
piece is done when the store has it. So a campaign resumes from any engine into any other, several processes can share
it by shards, and its records are assembled by the conductor as those of single evaluations are.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lnbench import data
from lnbench.errors import LnbenchError
from lnbench.evaluation import beats, conductor, machine, nodes, plan
from lnbench.evaluation.engine import Engine
from lnbench.evaluation.engine import engine as make_engine
from lnbench.evaluation.label_runs import FUNCTION, LabelRuns, verdict_of
from lnbench.evaluation.progress import OnProgress, quietly
from lnbench.evaluation.reuse import Result, gather
from lnbench.evaluation.stages import train_all
from lnbench.evaluation.store import Store, key_of
from lnbench.evaluation.units import Share, Unit
from lnbench.poison import sandbox as sandboxes
from lnbench.protocol import MATCHED, PUBLIC_SALT, Streams, arms_of, own_salt, sha256_json
from lnbench.record.record import Record

KIND = "campaigns"
_SHARED = ("clean", "random")
_POLL = 2.0
"""Seconds between two looks for labels that another shard makes."""

LABELS, VICTIMS, RECORDS = "labels", "victims", "records"
"""What a campaign ends with: labels in the store; victims' results too; records."""


@dataclass(frozen=True)
class UnitResult:
    """What became of one unit.

    Attributes:
        track: the track's name.
        row: as on the board; None if it is about all rows of the track.
        record: None if there is none (yet).
        error: what came in between, or None.
    """

    track: str
    row: str | None
    record: Record | None = None
    error: LnbenchError | None = None


@dataclass(frozen=True)
class Campaign:
    """What is to be done, and where.

    Attributes:
        units: the rows on their tracks.
        pool: the engine that does it.
        store: where pieces are stored and looked up.
        quick: the tracks' smaller replication.
        device: where victims are trained.
        workers: processes at once on this machine; None for one per core or GPU.
        sandbox: `auto`, or `none` for files that may do anything, unranked; `stored` runs no submission at all.
        own_splits: each row's own splits.
        share: the pieces that are done here.
        until: `labels`, `victims` or `records`.
        on_progress: called as work advances.
    """

    units: Sequence[Unit]
    pool: Engine
    store: Store
    quick: bool = False
    device: str = "cpu"
    workers: int | None = None
    sandbox: str = "auto"
    own_splits: bool = False
    share: Share = field(default_factory=Share)
    until: str = RECORDS
    on_progress: OnProgress = quietly

    @property
    def identity(self) -> str:
        """The same for every process that works on the same units with the same settings."""
        units = [[u.track.sha256, u.submission.sha256, dict(u.submission.parameters)] for u in self.units]
        return sha256_json([units, self.quick, self.device, self.own_splits, self.sandbox])[:12]

    def run(self) -> Iterator[UnitResult]:
        """Do the pieces of the share, and yield what became of every unit; a shard yields only failures.

        Raises:
            UnavailableError: if the engine or the store goes away; what is finished is in the store.
        """
        share = None if self.share.whole else f"{self.share.index}/{self.share.count}"
        at_once = machine.workers(self.workers, self.device)
        with beats.Beats(self.store, self.identity, self.pool, share, at_once, self.on_progress) as beat:
            groups: dict[tuple[str, str], list[Unit]] = {}
            for unit in self.units:
                salt = PUBLIC_SALT
                if self.own_splits:
                    salt = own_salt(unit.track.root, unit.submission.sha256, unit.submission.overrides)
                groups.setdefault((unit.track.sha256, salt), []).append(unit)
            for (_, salt), units in groups.items():
                try:
                    group = _Group(self, units, salt, beat)
                except LnbenchError as error:
                    yield UnitResult(units[0].track.name, None, error=error)
                    continue
                yield from group.run()


class _Group:
    """The units of a campaign on one track and salt."""

    def __init__(self, campaign: Campaign, units: Sequence[Unit], salt: str, beat: beats.Beats) -> None:
        self.campaign, self.units, self.track, self.store = campaign, units, units[0].track, campaign.store
        self.beat, self.notify, self.salt = beat, beat.on(units[0].track.name), salt
        self.streams = Streams(self.track.root, salt)
        r = self.track.replication
        self.splits, self.seeds = (r.quick_splits, r.quick_seeds) if campaign.quick else (r.splits, r.seeds)
        self.seen = nodes.survey(campaign.pool, self.track, campaign.device, salt)
        stored = campaign.sandbox == "stored"
        self.mode = sandboxes.BUBBLEWRAP if stored else self.seen.sandbox(campaign.sandbox)
        self.points = [data.load(self.track, split, self.streams) for split in range(self.splits)]
        self.random = [
            plan.random_arm(self.track, points.labels, self.streams, split, self.seeds)
            for split, points in enumerate(self.points)
        ]
        self.failed: dict[int, LnbenchError] = {}
        self.announced: set[int | None] = set()
        self.started = False
        share = campaign.share
        self.labels = [
            LabelRuns(
                unit.submission,
                self.track,
                self.streams,
                self.mode,
                self.splits,
                self.store,
                twice=not campaign.quick and share.has(at),  # one shard draws which splits are run twice
            )
            for at, unit in enumerate(units)
        ]
        self.answers = [runs.load() for runs in self.labels]

    def run(self) -> Iterator[UnitResult]:
        """Labels, then victims, then records, as far as the campaign goes."""
        campaign = self.campaign
        self._announce()
        if campaign.sandbox != "stored":
            self._poison(self._mine())
            self._announce()
        if campaign.until != LABELS:
            self._train()
        if campaign.until != RECORDS or not campaign.share.whole:
            for at, unit in enumerate(self.units):
                if at in self.failed or (campaign.until == LABELS and campaign.share.whole):
                    yield UnitResult(self.track.name, unit.row, error=self.failed.get(at))
            return
        for at, unit in enumerate(self.units):
            if at in self.failed:
                yield UnitResult(self.track.name, unit.row, error=self.failed[at])
                continue
            try:
                yield UnitResult(self.track.name, unit.row, self._record(unit))
            except LnbenchError as error:
                yield UnitResult(self.track.name, unit.row, error=error)

    def _record(self, unit: Unit) -> Record:
        campaign = self.campaign
        return conductor.evaluate(
            unit.submission,
            self.track,
            quick=campaign.quick,
            device=campaign.device,
            workers=campaign.workers,
            engine=campaign.pool,
            sandbox="none" if self.mode == sandboxes.NONE else "auto",
            stored_labels=campaign.sandbox == "stored",
            own_splits=campaign.own_splits,
            store=self.store,
        )

    # --- labels

    def _mine(self) -> list[tuple[int, int]]:
        """The runs of this share, as (unit, run), missing or not; repeats are their drawer's."""
        places, chosen = 0, []
        for at, runs in enumerate(self.labels):
            for i in range(len(runs.runs)):
                if i >= self.splits or self.campaign.share.has(places + i):
                    chosen.append((at, i))
            places += self.splits
        return chosen

    def _poison(self, runs: Sequence[tuple[int, int]]) -> None:
        """Make the labels of some runs that are not there; a unit whose submission fails is given up."""

        def keep(place: int, result: Result) -> None:
            at, i = runs[place]
            error = verdict_of(result)
            if error is not None:
                self.failed.setdefault(at, error)
                return
            self.labels[at].keep(i, result)
            self.answers[at][i] = result

        def compute(missing: list[int]) -> Iterator[tuple[int, float, Result | None]]:
            on_nodes = self.seen.boxes and self.mode == sandboxes.BUBBLEWRAP
            here = machine.workers(self.campaign.workers, "cpu")
            there = self.campaign.pool if on_nodes else make_engine("local", here)
            cells = [self.labels[runs[place][0]].cell(runs[place][1]) for place in missing]
            return there.map(FUNCTION, cells)

        gather(
            "poison",
            [1] * len(runs),
            load=lambda place: self.answers[runs[place][0]][runs[place][1]],
            compute=compute,
            keep=keep,
            notify=self.notify,
            note=f"{len(self.units)} poisoners on {self.track.name}",
        )

    # --- victims

    def _train(self) -> None:
        """Train this share's cells, shared arms first; wait for labels that other shards make, but not for ever."""
        everyone: list[int | None] = [None, *range(len(self.units))]
        counts = {at: len(self._cells(at)) for at in everyone}
        places = [(at, i) for at in everyone for i in range(counts[at])]
        todo = [place for number, place in enumerate(places) if self.campaign.share.has(number)]
        deadline = time.monotonic() + 60 + self.track.limits.seconds
        while todo:
            todo = [place for place in todo if place[0] not in self.failed]
            cells = {at: self._cells(at) for at, _ in todo}
            if ready := [(at, i) for at, i in todo if self._ready(at, cells[at][i][1])]:
                self._announce()
                self._map([cells[at][i] for at, i in ready])
                todo = sorted(set(todo) - set(ready), key=str)
                continue
            if not todo or self.campaign.sandbox == "stored":
                break
            if self._reload():
                continue
            if self._others() and time.monotonic() < deadline:
                time.sleep(_POLL)
                continue
            splits = {(at, split) for at, i in todo if at is not None for split, _ in cells[at][i][1]["places"]}
            self._poison(sorted((at, split) for at, split in splits if self.answers[at][split] is None))
        self._announce()

    def _reload(self) -> bool:
        """Look into the store for labels that others made; whether there are more."""
        before = sum(answer is not None for answers in self.answers for answer in answers)
        self.answers = [runs.load() for runs in self.labels]
        return sum(answer is not None for answers in self.answers for answer in answers) > before

    def _cells(self, at: int | None) -> list[tuple[str, dict[str, Any]]]:
        """The cells of a unit's own arms, or of the arms that all units share, as (arm, cell).

        Where labels are missing, the cell has other flips than it will have: see `_ready`.
        """
        answers = [None] * self.splits if at is None else self.answers[at][: self.splits]
        poisoned = [[tuple(flip) for flip in answer["flips"]] if answer else [] for answer in answers]
        flips: dict[str, list[Any]] = {"random": self.random, "poisoned": poisoned}
        if MATCHED in arms_of(self.track):
            flips[MATCHED] = [
                plan.matched_arm(points.labels, poisoned[split], self.streams, split, self.seeds)
                for split, points in enumerate(self.points)
            ]
        planned = plan.plan(self.track, self.streams, self.campaign.device, self.splits, self.seeds, flips)
        return [(arm, cell) for arm, cell in planned if (arm in _SHARED) == (at is None)]

    def _ready(self, at: int | None, cell: dict[str, Any]) -> bool:
        return at is None or all(self.answers[at][split] is not None for split, _ in cell["places"])

    def _map(self, some: Sequence[tuple[str, dict[str, Any]]]) -> None:
        names = [self._name(arm, cell) for arm, cell in some]
        once = {key_of(name): i for i, name in reversed(list(enumerate(names)))}  # a poisoner may flip nothing
        chosen = sorted(once.values())
        train_all([some[i][1] for i in chosen], [names[i] for i in chosen], self.campaign.pool, self.store, self.notify)

    def _name(self, arm: str, cell: dict[str, Any]) -> dict[str, Any]:
        return plan.cell_name(self.track, self.streams, self.seen.environment["id"], cell, arm, self.points)

    # --- for `lnbench status`

    def _others(self) -> bool:
        """Whether another process works on this campaign."""
        said = beats.read(self.store, self.campaign.identity)
        return any(beats.alive(words, time.time()) for worker, words in said if worker != self.beat.worker)

    def _announce(self) -> None:
        """Say in the store which pieces there are; keys of cells are known once their labels are."""
        for at in (None, *range(len(self.units))):
            labelled = at is None or all(answer is not None for answer in self.answers[at][: self.splits])
            failed = at in self.failed
            if at in self.announced or (self.started and not (labelled or failed)):
                continue
            cells = [] if failed else self._cells(at)
            keys = [key_of(self._name(arm, cell)) if labelled else None for arm, cell in cells]
            name = {"campaign": self.campaign.identity, "track": self.track.name, "salt": self.streams.commitment}
            value = {
                "labels": []
                if at is None or failed
                else [key_of(name) for name in self.labels[at].names[: self.splits]],
                "cells": [[key, len(cell["places"])] for key, (_, cell) in zip(keys, cells, strict=True)],
                "failed": failed,
                "time": time.time(),
            }
            with contextlib.suppress(Exception):  # only `lnbench status` would miss it
                self.store.post(KIND, {**name, "row": None if at is None else self.units[at].row}, value)
            if labelled or failed:
                self.announced.add(at)
        self.started = True
