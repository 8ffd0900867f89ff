"""The contract between lnbench and a defence: a training set with some wrong labels goes in, a `Training` comes out."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lnbench.protocol.contestant import Contestant
from lnbench.protocol.poisoner import Threat
from lnbench.protocol.recipe import Recipe


@dataclass(frozen=True)
class DefenceProblem:
    """Everything a defender is told. It is the same whether no label is wrong, or random or crafted ones are.

    Attributes:
        inputs: training inputs, (n, *shape) float32, a memory map that NumPy does not write to, inside `bounds`.
        labels: their labels as they came, (n,) int64, read-only; some may be wrong.
        num_classes: labels are 0 … num_classes − 1.
        budget: the most labels that may be wrong, or None if that is not known.
        threat: the adversary that the victims will face, at the track's radius.
        threats: the same for each of the track's victims by its name, at the radius that it is attacked with.
        recipes: how each of the track's victims is trained without a defence, by its name.
        rng: the defender's own random stream; use no other, and the same problem gives the same training.
        device: `"cpu"` or `"cuda"`.
        bounds: smallest and largest value an input may take, or None for unbounded data.
        deadline: `time.monotonic()` value at which the process is stopped.
    """

    inputs: np.ndarray
    labels: np.ndarray
    num_classes: int
    budget: int | None
    threat: Threat
    rng: np.random.Generator
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    threats: Mapping[str, Threat] = field(default_factory=dict)
    device: str = "cpu"
    bounds: tuple[float, float] | None = (0.0, 1.0)
    deadline: float = field(default=float("inf"), repr=False)

    def seconds_left(self) -> float:
        """Seconds until the process is stopped."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True, eq=False)
class Training:
    """How the victims are to be trained: data for the referee, which trains them.

    Attributes:
        labels: (n,) integers, the labels to train on; those of the problem if None. With (k, n) a victim is k networks,
            one trained on each row, and predicts by the mean of their probabilities.
        weights: (n,) or (k, n) numbers of at least 0, what each example counts: their scale does not matter, and
            an example of weight 0 is not trained on. All count the same if None.
        subset: numbers of the points to train on, or a mask of n bools; all if None.
        recipe: fields of `lnbench.Recipe` that replace the track's for every victim, such as
            `{"label_smoothing": 0.1}` or the early-stopping rule `{"early_stopping": 0.1}`.
        partition: (n,) integers from 0 to k − 1, or −1 for none: labels in part i have no influence but on network i of
            the k. The referee checks that as far as its own arms show it, and certifies clean predictions by the vote.
    """

    labels: np.ndarray | Sequence[int] | None = None
    weights: np.ndarray | Sequence[float] | None = None
    subset: np.ndarray | Sequence[int] | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    partition: np.ndarray | Sequence[int] | None = None


class Defender(Contestant, contract=True):
    """Base of every defence: subclass it once in a file and write `defend`.

    Parameters and words about the file are as of `lnbench.Poisoner`.

        class MyDefence(lnbench.Defender):
            \"""Train on smoothed labels.\"""

            share: float = 0.1

            def defend(self, problem):
                return lnbench.Training(recipe={"label_smoothing": self.share})
    """

    def defend(self, problem: DefenceProblem) -> Training:
        """How the victims are to be trained on this problem."""
        raise TypeError(f"{type(self).__name__} does not define defend(self, problem)")
