"""Two records of one track and salt, perhaps at different budgets, against each other, split by split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from lnbench.errors import RecordError
from lnbench.protocol import ARMS, OWN, PUBLIC_SALT
from lnbench.record.record import Record
from lnbench.record.score import Interval, split_means, t_interval
from lnbench.text import interval, points, probability


@dataclass(frozen=True)
class Difference:
    """A paired difference of two scores, in percentage points; positive if the first is the higher.

    Attributes:
        mean_pp: mean over splits; None if no split remains.
        ci95_pp: Student's t interval over the splits; None of fewer than two.
        p_value: two-sided, of no difference; None likewise.
    """

    mean_pp: float | None
    ci95_pp: tuple[float, float] | None
    p_value: float | None

    @property
    def shown(self) -> Literal["higher", "lower", "not shown"]:
        """What the interval shows of the first: that it is higher, that it is lower, or neither."""
        if self.ci95_pp is None or self.ci95_pp[0] <= 0 <= self.ci95_pp[1]:
            return "not shown"
        return "higher" if self.ci95_pp[0] > 0 else "lower"

    @classmethod
    def of(cls, mean: Interval) -> Difference:
        """From a mean and its interval."""
        return cls(mean.mean, mean.ends, mean.p)


@dataclass(frozen=True)
class Comparison:
    """How two poisoners' scores differ, paired by split.

    Attributes:
        first, second: the records' labels, with their budgets if those differ.
        track: the track's name.
        splits: splits that both have and that entered.
        seeds: seeds of a split that both have.
        total: over all architectures.
        per_architecture: on each architecture alone.
        differences_pp: of each split that entered.
    """

    first: str
    second: str
    track: str
    splits: int
    seeds: int
    total: Difference
    per_architecture: Mapping[str, Difference]
    differences_pp: tuple[float, ...]

    @property
    def sentence(self) -> str:
        """The outcome in words."""
        mean, ends = self.total.mean_pp, self.total.ci95_pp
        pair = f"{self.first} and {self.second} on {self.track}"
        if mean is None:
            return f"{pair} cannot be compared: a victim of one or the other diverged on every split and seed."
        if ends is None:
            return f"{pair} differ by {points(mean)} points on a single split, which has no interval."
        higher, lower, low, high = self.first, self.second, *ends
        if mean < 0:
            higher, lower, low, high = self.second, self.first, -high, -low
        p = probability(self.total.p_value)
        paired = f"95 % interval {interval([low, high])}, {p}, paired over {self.splits} splits"
        if low <= 0 <= high:
            return f"{pair} cannot be told apart: their scores differ by {abs(mean):.1f} points ({paired})."
        return f"{higher} beats {lower} on {self.track} by {abs(mean):.1f} points ({paired})."

    def __repr__(self) -> str:
        return f"<Comparison: {self.sentence}>"


def compare(first: Record, second: Record) -> Comparison:
    """The paired difference of two scores: of each split, then their mean, interval and p.

    Of every split and seed that both records have, each record's drop below its own random arm is taken; an
    (architecture, split, seed) at which a victim of either diverged is left out of both.

    Raises:
        RecordError: if they are of different tracks or salts, whose splits do not pair, or a record is incomplete.
            Points of one budget curve do pair.
    """
    for what in ("track", "salt"):
        if _drawn_by(first, what) != _drawn_by(second, what):
            raise RecordError(
                f"{first.label} and {second.label} are records of different {what}s ({_told(first, what)}; "
                f"{_told(second, what)}), and their splits do not pair; compare two of one {what}."
            )
    splits = min(first.tables.splits, second.tables.splits)
    seeds = min(first.tables.seeds, second.tables.seeds)
    valid = first.tables.valid[:, :splits, :seeds] & second.tables.valid[:, :splits, :seeds]
    gap = _drops(first)[:, :splits, :seeds] - _drops(second)[:, :splits, :seeds]
    means = split_means(gap, valid)
    alone = {
        name: Difference.of(t_interval(split_means(gap[a : a + 1], valid[a : a + 1])))
        for a, name in enumerate(first.tables.names)
    }
    total = Difference.of(t_interval(means))
    differ = first.track.noise.budget != second.track.noise.budget
    one, other = (
        f"{record.label} at k = {record.track.noise.budget}" if differ else record.label for record in (first, second)
    )
    differences = tuple(map(float, means))
    return Comparison(one, other, first.track.name, len(means), seeds, total, alone, differences)


def _drops(record: Record) -> np.ndarray:
    """AA(random) − AA(poisoned) in points, (architecture, split, seed)."""
    counts = record.tables.counts(flags=False)
    poisoned, random = (counts.targeted[ARMS.index(arm)] for arm in ("poisoned", "random"))
    return np.asarray(100.0 * (poisoned - random) / counts.points[:, None])


def _drawn_by(record: Record, what: str) -> str:
    """The hash of a record's track, at any budget, or of its salt: together they draw its splits."""
    return record.track.with_budget(1).sha256 if what == "track" else str(record.document["salt_commitment"])


def _told(record: Record, what: str) -> str:
    """A record's track or salt in a few words."""
    if what == "track":
        return f"{record.track.name}, version {record.track.version}, {record.track.sha256[:8]}"
    salt = record.document["salt"]
    known = "own splits" if salt == OWN else "public" if salt == PUBLIC_SALT else "named"
    name = f"season {record.season}" if record.season else known if salt else "private"
    return f"{name}, {record.document['salt_commitment'][:8]}"
