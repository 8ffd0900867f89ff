"""The best flips of every split of a track on a nearest neighbour: a file beside the track, and what rows get by it.

The file holds what single flips reach, which takes minutes to solve for; everything else follows from that in
microseconds, for any row's flips. `lnbench tracks optimum NAME` makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta

from lnbench.errors import RecordError
from lnbench.files import parse_canonical
from lnbench.protocol import Track, sha256_json, unpack
from lnbench.protocol import track as tracks
from lnbench.protocol.documents import AtLeastOne, Count, NotNegative, Part, Positive, Sha256, Share, WrongError, read
from lnbench.protocol.exactness import expected_broken

_LARGEST = 1 << 26


class OptimumSplit(Part, frozen=True, kw_only=True):
    """One split.

    Attributes:
        points: test points of the source class.
        indices: training points that may be flipped, ascending.
        base: packed flags (point,): broken without a flip.
        reach: packed flags (point × flip): broken by that flip.
        best: places in `indices` of a proven optimum; `greedy`: of greedy coverage, in its order.
        best_accuracy, greedy_accuracy: adversarial accuracy after them.
        random_accuracy: its mean over all sets of flips; clean_accuracy: without a flip.
    """

    points: AtLeastOne
    indices: Annotated[tuple[Count, ...], Meta(min_length=1)]
    base: str
    reach: str
    best: tuple[Count, ...]
    greedy: tuple[Count, ...]
    best_accuracy: Share
    greedy_accuracy: Share
    random_accuracy: Share
    clean_accuracy: Share

    def flags(self) -> tuple[np.ndarray, np.ndarray]:
        """(point,) and (point, flip) bool; raises ValueError if they do not decode."""
        m = len(self.indices)
        return unpack(self.base, self.points), unpack(self.reach, self.points * m).reshape(self.points, m)


class Worth(Part, frozen=True, kw_only=True):
    """How many random flips the best `budget` flips are worth, with its interval over splits."""

    budget: AtLeastOne
    flips: NotNegative
    low: NotNegative
    high: NotNegative


class Optimum(Part, frozen=True, kw_only=True, dict=True):
    """The file.

    Attributes:
        track, track_sha256: whose splits they are, of the public salt.
        epsilon, budget: the adversary's radius and the number of flips.
        splits: one each.
        worth: of the best 1, 2, … flips.
        sha256: of the canonical JSON of all else.
    """

    track: str
    track_sha256: Sha256
    epsilon: Positive
    budget: AtLeastOne
    splits: Annotated[tuple[OptimumSplit, ...], Meta(min_length=1)]
    worth: Annotated[tuple[Worth, ...], Meta(min_length=1)]
    sha256: Sha256

    def accuracies(self, flips: Sequence[Sequence[Sequence[int]]]) -> np.ndarray:
        """Adversarial accuracy of a nearest neighbour after some flips on each split, (split,).

        Args:
            flips: of as many splits, [index, old, new] each.
        """
        return np.array([self._after(split, made) for split, made in zip(range(len(flips)), flips, strict=True)])

    def _after(self, split: int, flips: Sequence[Sequence[int]]) -> float:
        (base, reach), indices = self._flags[split], self.splits[split].indices
        columns = np.searchsorted(indices, [index for index, _, _ in flips])
        return 1.0 - float((base | reach[:, columns].any(1)).mean())

    @cached_property
    def _flags(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return [split.flags() for split in self.splits]

    @cached_property
    def random(self) -> np.ndarray:
        """Mean accuracy over all sets of so many flips, (split, 0 … flips), up to the smallest number of eligible."""
        most = min(len(split.indices) for split in self.splits)
        return np.stack([mean_curve(base, reach, most) for base, reach in self._flags])

    @cached_property
    def best(self) -> np.ndarray:
        """Accuracy after the best flips, (split,)."""
        return np.array([split.best_accuracy for split in self.splits])


def place(name_or_path: str) -> Path:
    """Where the optimum of a shipped track, or of a track file, lies."""
    path = Path(name_or_path)
    return (path if path.suffix == ".toml" else tracks.FOLDER / f"{name_or_path}.toml").with_suffix(".optimum.json")


def of_track(track: Track) -> Optimum | None:
    """The optimum of a track that ships with lnbench; None if there is none, or it is of another version.

    Raises:
        RecordError: if its file is broken.
    """
    path = place(track.name)
    if not path.is_file():
        return None
    made = parse(path.read_bytes(), path.name)
    return made if made.track_sha256 == track.sha256 else None


def parse(data: bytes, where: str) -> Optimum:
    """The optimum in a file's bytes, its numbers compared with its bits.

    Raises:
        RecordError: if it is malformed, altered, or states what its bits do not say.
    """
    document = parse_canonical(data, _LARGEST)
    try:
        made = read(document, Optimum)
    except WrongError as wrong:
        raise RecordError(f"{where}: {wrong}") from None
    if sha256_json({name: value for name, value in document.items() if name != "sha256"}) != made.sha256:
        raise RecordError(f"{where}: its content is not what its sha256 says.")
    for number, split in enumerate(made.splits):
        try:
            base, reach = split.flags()
        except ValueError as error:
            raise RecordError(f"{where}: split {number}: its flags are broken: {error}.") from None
        if max((*split.best, *split.greedy), default=0) >= len(split.indices) or len(split.best) > made.budget:
            raise RecordError(f"{where}: split {number}: its best flips are none that may be made.")
        said = [split.clean_accuracy, split.random_accuracy, split.best_accuracy, split.greedy_accuracy]
        sets: list[Sequence[int]] = [split.best, split.greedy]
        random = mean_curve(base, reach, made.budget)[-1]
        found = [1 - base.mean(), random, *(1 - (base | reach[:, list(s)].any(1)).mean() for s in sets)]
        if not np.allclose(said, found, rtol=0, atol=1e-8) or split.best_accuracy > split.greedy_accuracy + 1e-9:
            raise RecordError(f"{where}: split {number}: its accuracies are not those of its flags.")
    if [point.budget for point in made.worth] != list(range(1, len(made.worth) + 1)):
        raise RecordError(f"{where}: worth: expected budgets of 1, 2, … in order.")
    return made


def coupons(regions: int) -> float:
    """k·(1 + 1/2 + … + 1/k): random flips that it takes on the mean to hit each of k equal regions; k at least 1."""
    return regions * sum(1 / i for i in range(1, regions + 1))


def mean_curve(base: np.ndarray, reach: np.ndarray, most: int) -> np.ndarray:
    """Mean accuracy over all sets of 0 … `most` flips, (most + 1,)."""
    m = reach.shape[1]
    degrees = np.where(base, m, reach.sum(1))
    clean = 1.0 - base.mean()
    return np.array([clean, *(1.0 - expected_broken(degrees, m, k).mean() for k in range(1, most + 1))])
