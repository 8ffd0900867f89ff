"""What many submissions on a track will take: cells, device hours, wall time, from seconds that cells took.

Two answers to the same question check each other: arithmetic (work over devices, plus what failures repeat, plus the
tail of the last cells) and a simulation, event by event, with stragglers and failures.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lnbench.errors import UnavailableError
from lnbench.evaluation import plan
from lnbench.evaluation.store import Store
from lnbench.protocol import Track, draws_of

_SHARED = ("clean", "random")
REPAIR = 120.0
"""Seconds until a device that failed takes cells again."""


@dataclass(frozen=True)
class Cells:
    """Cells of one architecture on one track.

    Attributes:
        shared: cells that all submissions share; own: those of each submission.
        victims: networks in a full cell.
        seconds, spread: of a full cell, mean and standard deviation.
        measured: cells that the two were measured on; 0 if they were given.
    """

    track: str
    victim: str
    shared: int
    own: int
    victims: int
    seconds: float
    spread: float
    measured: int

    def count(self, submissions: int) -> int:
        """Cells for so many submissions."""
        return self.shared + submissions * self.own


@dataclass(frozen=True)
class Faults:
    """What goes wrong while cells run.

    Attributes:
        stragglers: share of cells that are slow.
        slowdown: how many times as long those take.
        hours_to_failure: mean hours until a device fails, with the cell on it.
    """

    stragglers: float = 0.02
    slowdown: float = 4.0
    hours_to_failure: float = 500.0


def cells_of(track: Track, device: str, measured: Mapping[str, tuple[float, float, int]]) -> list[Cells]:
    """The cells of a track's full evaluation, by architecture.

    Args:
        measured: architecture -> seconds of one victim, their standard deviation, cells measured; see `seconds_in`.

    Raises:
        UnavailableError: if nothing was measured of an architecture.
    """
    missing = [victim.name for victim in track.victims if victim.name not in measured]
    if missing:
        raise UnavailableError(
            f"the store has no cell of {', '.join(missing)} on {track.name}, so there is nothing to reckon from; run "
            f"`lnbench evaluate random_flip --track {track.name} --quick` there, or give --cell-seconds."
        )
    places, found = track.replication.splits * track.replication.seeds, []
    for victim in track.victims:
        size = min(places, plan.stack_size(victim, device))
        arms = [arm for arm, _ in draws_of(track)]
        shared = sum(arm in _SHARED for arm in arms)
        each, chunks = measured[victim.name], math.ceil(places / size)
        own = (len(arms) - shared) * chunks
        # A victim's spread is its cell's: victims of one cell train in step.
        found.append(
            Cells(track.name, victim.name, shared * chunks, own, size, each[0] * size, each[1] * size, each[2])
        )
    return found


def seconds_in(store: Store, track: Track) -> tuple[dict[str, tuple[float, float, int]], str]:
    """Seconds of one victim of each architecture, as the cells of a store took them, and in which environment.

    Where a store has cells of several environments, those of the one with the most cells count.
    """
    by: dict[str, dict[str, list[float]]] = {}
    for name, value in store.values("cells"):
        if name["track"] == track.sha256 and name["places"]:
            of = by.setdefault(name["environment"], {}).setdefault(name["victim"], [])
            of.append(float(value["seconds"]) / len(name["places"]))
    if not by:
        return {}, ""
    environment = max(by, key=lambda key: sum(map(len, by[key].values())))
    return {
        victim: (float(np.mean(some)), float(np.std(some)), len(some)) for victim, some in by[environment].items()
    }, environment


def reckoned(cells: Sequence[Cells], submissions: int, devices: int, faults: Faults) -> float:
    """Seconds of wall time by arithmetic: work, what failures repeat, half of the longest cells at the end."""
    slow = 1 + faults.stragglers * (faults.slowdown - 1)
    rate = 1 / (3600 * faults.hours_to_failure)
    work = 0.0
    for some in cells:
        each = some.seconds * slow
        again = (
            math.expm1(rate * each) / rate if rate * each < 50 else math.inf
        )  # of a cell that restarts when it fails
        work += some.count(submissions) * (again + REPAIR * again * rate)
    busy = min(devices, sum(some.count(submissions) for some in cells))
    longest = max(some.seconds for some in cells)
    several = sum(some.count(submissions) for some in cells) * faults.stragglers >= 1
    return work / busy + longest / 2 * (faults.slowdown if several and faults.stragglers else 1)


def simulated(cells: Sequence[Cells], submissions: int, devices: int, faults: Faults, seed: int) -> float:
    """Seconds of wall time of one simulated run: each device takes the next cell as soon as it is free."""
    rng = np.random.default_rng(seed)
    durations = np.concatenate([_durations(some, some.count(submissions), faults, rng) for some in cells])
    todo = list(durations[::-1])  # the order of the campaign, from the end
    free = [(0.0, i) for i in range(min(devices, len(todo)))]
    heapq.heapify(free)
    mean = 3600 * faults.hours_to_failure
    fails = rng.exponential(mean, devices)
    last = 0.0
    while todo:
        now, device = heapq.heappop(free)
        seconds = float(todo.pop())
        if now + seconds <= fails[device]:
            last = max(last, now + seconds)
            heapq.heappush(free, (now + seconds, device))
            continue
        todo.append(seconds)  # lost with the device; the next one that is free takes it
        back = max(now, float(fails[device])) + REPAIR
        fails[device] = back + rng.exponential(mean)
        heapq.heappush(free, (back, device))
    return last


def _durations(some: Cells, count: int, faults: Faults, rng: np.random.Generator) -> np.ndarray:
    """Seconds of cells with the measured mean and spread, some of them slow, (count,)."""
    variance = math.log1p((some.spread / some.seconds) ** 2) if some.seconds else 0.0
    drawn = some.seconds * rng.lognormal(-variance / 2, math.sqrt(variance), count)
    slow = np.where(rng.random(count) < faults.stragglers, faults.slowdown, 1.0)
    durations: np.ndarray = drawn * slow
    return durations
