"""The contract between lnbench and a poisoning attack: a `Problem` goes in, n labels come out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lnbench.protocol import flips
from lnbench.protocol.contestant import Contestant


@dataclass(frozen=True)
class Threat:
    """The input adversary the victims will face.

    Attributes:
        norm: `"linf"`, `"l2"` or `"l1"`.
        epsilon: radius of the ball, in units of the inputs.
        steps: PGD steps; each moves 2.5 · epsilon / steps.
    """

    norm: str
    epsilon: float
    steps: int


@dataclass(frozen=True)
class Problem:
    """Everything a poisoner is told. One problem is one split; other splits and all test points stay unseen.

    Attributes:
        inputs: training inputs, (n, *shape) float32, a memory map that NumPy does not write to, inside `bounds`.
        labels: their true labels, (n,) int64, read-only.
        num_classes: labels are 0 … num_classes − 1.
        budget: the most labels that may differ from `labels`.
        pairs: ((source, target), …): a changed label must move along one of them.
        threat: the adversary that the victims will face, at the track's radius.
        threats: the same for each of the track's victims by its name, at the radius that it is attacked with: an
            architecture may have its own.
        rng: the poisoner's own random stream; use no other, and the same problem gives the same labels.
        split: index of this split.
        device: `"cpu"` or `"cuda"`.
        bounds: smallest and largest value an input may take, or None for unbounded data.
        deadline: `time.monotonic()` value at which the process is stopped.
    """

    inputs: np.ndarray
    labels: np.ndarray
    num_classes: int
    budget: int
    pairs: tuple[tuple[int, int], ...]
    threat: Threat
    rng: np.random.Generator
    split: int = 0
    device: str = "cpu"
    bounds: tuple[float, float] | None = (0.0, 1.0)
    deadline: float = field(default=float("inf"), repr=False)
    threats: Mapping[str, Threat] = field(default_factory=dict)

    def seconds_left(self) -> float:
        """Seconds until the process is stopped: for stopping in time, not for deciding what to flip."""
        return self.deadline - time.monotonic()

    @property
    def eligible(self) -> np.ndarray:
        """Indices of the points that may change, ascending, (m,) int64."""
        return flips.eligible(self.labels, self.pairs)

    def flipped(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """A copy of the labels with some points moved along the first pair of their class, (n,) int64.

        Args:
            indices: which points: their numbers, 0 … n − 1, or a mask of n bools. A number given twice counts once.

        Raises:
            ValueError: if they are neither, or a point is of a class that no pair starts from.
        """
        target = {source: target for source, target in reversed(self.pairs)}
        labels = np.array(self.labels, dtype=np.int64)
        for i in places(indices, len(labels)):
            old = int(self.labels[i])
            if old not in target:
                raise ValueError(f"point {i} has label {old}, and no pair of this problem starts there: {self.pairs}")
            labels[i] = target[old]
        return labels


def places(indices: Sequence[int] | np.ndarray, n: int) -> np.ndarray:
    """Indices of points, or a mask of n bools, as (m,) integers; raises ValueError as `Problem.flipped`."""
    want = f"expected indices of points, integers from 0 to {n - 1}, or a mask of {n} bools, got "
    try:
        array = np.asarray(indices)
    except Exception as error:  # a ragged list, a tensor on another device
        raise ValueError(f"{want}a {type(indices).__name__} that is not an array ({error})") from None
    if array.size == 0 and array.ndim == 1 and array.dtype.kind != "b":
        return np.zeros(0, dtype=np.int64)
    if array.ndim != 1:
        hint = "; take np.nonzero(mask)[0]" if isinstance(indices, tuple) and len(array) == 1 else ""
        raise ValueError(f"{want}an array of shape {array.shape}{hint}")
    if array.dtype.kind == "b":
        if len(array) != n:
            raise ValueError(f"{want}{len(array)} bools; a mask is over all points, not over problem.eligible")
        return np.flatnonzero(array)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{want}values of type {array.dtype}; round them yourself if that is what you mean")
    outside = array[(array < 0) | (array >= n)]
    if len(outside):
        raise ValueError(f"{want}{int(outside[0])}; it counts from 0, and not from the end")
    return array.astype(np.int64)


class Poisoner(Contestant, contract=True):
    """Base of every poisoning attack: subclass it once in a file and write `poison`.

    Annotated class fields are the attack's parameters: int, float, bool or str, each with a default that is written
    out, a number or text. They can be set with `lnbench evaluate FILE --set name=value`. The subclass becomes a frozen
    dataclass by itself: it has no `__init__`, and `self` cannot be changed. The first line of the docstring is the
    row's description on the board. The optional class attributes `author`, `paper` and `license` are shown beside it;
    they are text that is written out as well, because lnbench reads them without running the file.

        class MyPoisoner(lnbench.Poisoner):
            \"""Flip the first points that may be flipped.\"""

            skip: int = 0

            def poison(self, problem):
                return problem.flipped(problem.eligible[self.skip :][: problem.budget])
    """

    def poison(self, problem: Problem) -> np.ndarray:
        """Labels to train the victims on, (n,) integers; at most `problem.budget` differ from `problem.labels`."""
        raise TypeError(f"{type(self).__name__} does not define poison(self, problem)")
