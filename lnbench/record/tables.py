"""The victims of a record as arrays, once each and in order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from operator import attrgetter

import numpy as np
from msgspec import UNSET

from lnbench.errors import RecordError
from lnbench.protocol import RANDOM, Track, arms_of, draws_of, unpack
from lnbench.protocol.exactness import CLOSED_FORM, expected_broken
from lnbench.record.schema import Reached, SplitsAndSeeds, Victim
from lnbench.record.score import Counts


def expected_victims(track: Track, splits: int, seeds: int) -> list[tuple[str, int, int, str, int | None]]:
    """(architecture, split, seed, arm, draw) of every victim of a record, in the record's order."""
    places = product([v.name for v in track.victims], range(splits), range(seeds), draws_of(track))
    return [(name, split, seed, *draw) for name, split, seed, draw in places]


def _degrees(reached: Reached) -> list[tuple[int, ...]]:
    """All lists of degrees."""
    return [reached.clean, *reached.targeted, *reached.untargeted]


class Tables:
    """The victims of a record as arrays (arm, architecture, split, seed).

    Where the random arm has several draws a seed, its entries are their mean.

    Raises:
        RecordError: if the victims are not exactly those that the track and the replication ask for, a curve has
            another length than the track's, or the victims of a split disagree on its test points.
    """

    def __init__(self, track: Track, replication: SplitsAndSeeds, victims: Sequence[Victim]) -> None:
        self.track, self.victims = track, victims
        self.splits, self.seeds = replication.splits, replication.seeds
        self.names = tuple(v.name for v in track.victims)
        self._draws = [[i for i, (of, _) in enumerate(draws_of(track)) if of == arm] for arm in arms_of(track)]
        self.shape = len(self.names), self.splits, self.seeds, len(draws_of(track))
        expected = math.prod(self.shape)
        if len(victims) != expected:
            raise RecordError(f"the record has {len(victims)} victims where the track asks for {expected}.")
        for victim, wanted in zip(victims, expected_victims(track, self.splits, self.seeds), strict=True):
            if victim.key != wanted:
                raise RecordError(f"the victims are not each of the track's once, in order: {victim.key} for {wanted}.")
        lengths = {v.name: len(track.epsilons(v)) for v in track.victims}
        for victim in victims:
            length = lengths[victim.architecture]
            if not len(victim.broken.targeted) == len(victim.broken.untargeted) == length:
                raise RecordError(f"victim {victim.key} has no count for each of the {length} radii of its curve.")
        self.has_damage = track.damage is not None
        if any((v.broken.damage is UNSET) == self.has_damage for v in victims):
            raise RecordError(
                "a count of the damage attack belongs to every victim of a track that has one, and there."
            )
        closed = {v.name for v in track.victims if v.architecture == CLOSED_FORM}
        if any(bool(v.reached) != (v.arm == RANDOM and v.architecture in closed) for v in victims):
            raise RecordError(
                "what single flips reach belongs to the random arm's victims of a nearest neighbour, and there."
            )
        for victim in victims:
            if victim.reached and not (
                len(victim.reached.targeted) == len(victim.reached.untargeted) == lengths[victim.architecture]
                and all(max(degrees) <= victim.reached.eligible for degrees in _degrees(victim.reached))
                and victim.reached.eligible <= track.data.train
            ):
                raise RecordError(
                    f"what single flips reach of victim {victim.key} does not fit its curve or its flips."
                )
        points = self.every("clean.source_points")
        self.points = points[0, 0, :, 0]
        if not (points == self.points[:, None]).all():
            raise RecordError("the victims of a split disagree on its number of source-class test points.")
        self.valid = np.asarray(self.every("diverged").max(axis=0) == 0)

    def every(self, path: str) -> np.ndarray:
        """One integer of every victim, (draw of any arm, architecture, split, seed), in the order of `draws_of`."""
        values = np.array(list(map(attrgetter(path), self.victims)), dtype=np.int64)
        return np.moveaxis(values.reshape(self.shape), -1, 0)

    def table(self, path: str) -> np.ndarray:
        """One number of every victim, such as `flipped` or `clean.points`."""
        return self._merged(self.every(path))

    def curve(self, a: int, goal: str) -> np.ndarray:
        """Broken counts of architecture `a`, (arm, split, seed, epsilon)."""
        return self._merged(self._curve(a, goal))

    def _curve(self, a: int, goal: str) -> np.ndarray:
        """As `curve`, but (draw of any arm, split, seed, epsilon)."""
        block = len(self.victims) // len(self.names)
        some = self.victims[a * block : (a + 1) * block]
        values = np.array([v.broken[goal] if not v.reached else self._expected(v.reached, goal) for v in some])
        return np.moveaxis(values.reshape(*self.shape[1:], -1), 2, 0)

    def _expected(self, reached: Reached, goal: str) -> list[float]:
        """How many examples random flips break on the mean over all of their sets, at each radius of the curve."""
        budget, m = self.track.noise.budget, reached.eligible
        return [float(expected_broken(degrees, m, budget).sum()) for degrees in reached[goal]]

    def _expected_flags(self, reached: Reached, name: str) -> np.ndarray:
        """With which probability random flips break each example at the score's radius, (example,)."""
        degrees = reached.targeted[self.track.scored_index(name)]
        return expected_broken(degrees, reached.eligible, self.track.noise.budget)

    def _to_target(self) -> np.ndarray:
        """Source-class test points that are the target without an attack, as `table`."""
        values = self.table("clean.source_to_target")
        expected = [
            expected_broken(v.reached.clean, v.reached.eligible, self.track.noise.budget).sum() if v.reached else -1.0
            for v in self.victims
        ]
        means = self._merged(np.moveaxis(np.array(expected).reshape(self.shape), -1, 0))
        return np.where(means >= 0, means, values)

    def _merged(self, values: np.ndarray) -> np.ndarray:
        """Draws of an arm along the first axis as their mean; unchanged where every arm has one."""
        if all(len(of_arm) == 1 for of_arm in self._draws):
            return values
        return np.stack([values[of_arm].mean(axis=0) for of_arm in self._draws])

    def random_draws(self) -> np.ndarray:
        """Broken by the targeted adversary at the score's radius, (draw of the random arm, architecture, split,
        seed)."""
        at = [self.track.scored_index(name) for name in self.names]
        of_arm = self._draws[arms_of(self.track).index(RANDOM)]
        return np.stack([self._curve(a, "targeted")[of_arm][..., i] for a, i in enumerate(at)], axis=1)

    def counts(self, *, flags: bool) -> Counts:
        """The counts that `score` wants, with the examples' flags if asked for.

        Raises:
            RecordError: if the flags do not decode, or the splits of a fixed test set differ in size.
        """
        curves = {goal: [self.curve(a, goal) for a in range(len(self.names))] for goal in ("targeted", "untargeted")}
        at = [self.track.scored_index(name) for name in self.names]
        broken = None
        if flags:
            if len(set(self.points.tolist())) != 1:
                raise RecordError("the test set is fixed, yet its source-class points differ in number by split.")
            try:
                flagged = [
                    self._expected_flags(v.reached, v.architecture)
                    if v.reached
                    else unpack(v.bits.targeted, int(self.points[0]))
                    for v in self.victims
                ]
            except ValueError as error:
                raise RecordError(f"the targeted bits of a victim are broken: {error}.") from None
            broken = self._merged(np.moveaxis(np.stack(flagged).reshape(*self.shape, -1), 3, 0))
        return Counts(
            architectures=self.names,
            epsilons=tuple(self.track.epsilons(v) for v in self.track.victims),
            points=self.points,
            targeted=np.stack([c[..., i] for c, i in zip(curves["targeted"], at, strict=True)], axis=1),
            untargeted=np.stack([c[..., i] for c, i in zip(curves["untargeted"], at, strict=True)], axis=1),
            to_target=self._to_target(),
            curve=tuple(curves["targeted"]),
            valid=self.valid,
            broken=broken,
            damage=self.table("broken.damage") if self.has_damage else None,
            random_draws=self.random_draws() if self.track.replication.random_draws > 1 else None,
        )
