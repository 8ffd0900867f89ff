"""Linear victims trained to the optimum, with their exact adversary: logistic regression, or one-vs-all ridge.

The class of x is the largest of W x + b. An input gets class c where (w_j − w_c)·x ≤ b_c − b_j for all j: a polyhedron
of at most as many faces as there are classes, whose distance `lnbench.exact.polyhedra` gives. Where scores tie the
adversary may have any of the classes; without one the first counts.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

import numpy as np

from lnbench.errors import UnavailableError
from lnbench.exact.polyhedra import TOLERANCE, Bounds, Norm, distance
from lnbench.protocol.documents import Part, Positive

_GRADIENT = 1e-9
"""Largest entry of the mean objective's gradient at the optimum that training reaches."""
_STEPS = 100


class Options(Part, frozen=True, kw_only=True):
    """How it is trained.

    Attributes:
        loss: `logistic`, multinomial; or `ridge`, least squares of ±1 for every class.
        penalty: λ of λ/2 · ‖W‖² beside the mean loss over the training points; intercepts are free.
    """

    loss: Literal["logistic", "ridge"] = "logistic"
    penalty: Positive = 1e-3


class Victim:
    """A linear classifier with its exact adversary.

    Args:
        inputs: (n, *shape), inside `bounds`.
        labels: (n,) integers below `num_classes`; a class without points is never predicted.

    Raises:
        UnavailableError: if training does not reach the optimum.
    """

    def __init__(
        self,
        inputs: np.ndarray,
        labels: np.ndarray,
        num_classes: int,
        *,
        norm: Norm,
        bounds: Bounds = (0.0, 1.0),
        options: Options | None = None,
    ) -> None:
        options = options or Options()
        self.norm, self.bounds, self.classes = norm, bounds, np.unique(labels)
        x = np.asarray(inputs, dtype=np.float64).reshape(len(inputs), -1)
        train = _logistic if options.loss == "logistic" else _ridge
        self.weight, self.bias = train(x, np.searchsorted(self.classes, labels), len(self.classes), options.penalty)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The classes of inputs, (m,) int64."""
        scores = np.asarray(x, dtype=np.float64).reshape(len(x), -1) @ self.weight.T + self.bias
        return np.asarray(self.classes[scores.argmax(1)])

    def radii(self, x: np.ndarray, classes: Collection[int], levels: Sequence[float]) -> np.ndarray:
        """The smallest of some radii at which each input can be given a class of `classes`, (m,); infinite if none."""
        rows, most = np.asarray(x, dtype=np.float64).reshape(len(x), -1), max(levels)
        found = np.full(len(rows), np.inf)
        for c in np.flatnonzero(np.isin(self.classes, list(classes))):
            normals, offsets = self.weight - self.weight[c], self.bias[c] - self.bias
            for row, one in enumerate(rows):
                cap = min(most, found[row])
                reached = distance(normals, offsets, one, norm=self.norm, most=cap, bounds=self.bounds)
                found[row] = min(found[row], reached)
        ends = np.asarray(levels, dtype=float)
        return np.asarray(np.r_[ends, np.inf][np.searchsorted(ends + TOLERANCE, found)])


def _ridge(x: np.ndarray, labels: np.ndarray, classes: int, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights (class, d) and intercepts (class,) of one-vs-all least squares, in closed form."""
    wanted = np.where(labels[:, None] == np.arange(classes), 1.0, -1.0)
    centre, level = x.mean(0), wanted.mean(0)
    gram = (x - centre).T @ (x - centre) / len(x) + penalty * np.eye(x.shape[1])
    weight = np.linalg.solve(gram, (x - centre).T @ (wanted - level) / len(x)).T
    return weight, level - weight @ centre


def _logistic(x: np.ndarray, labels: np.ndarray, classes: int, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights (class, d) and intercepts (class,) of multinomial logistic regression, by damped Newton steps."""
    n, d = x.shape
    rows, wanted = np.c_[x, np.ones(n)], np.eye(classes)[labels]
    free = np.r_[np.full(d, penalty), 0.0]
    weight = np.zeros((classes, d + 1))

    def loss(weight: np.ndarray) -> float:
        scores = rows @ weight.T
        top = scores.max(1, keepdims=True)
        log = np.log(np.exp(scores - top).sum(1)) + top[:, 0]
        return float((log - (scores * wanted).sum(1)).mean() + (free * weight**2).sum() / 2)

    for _ in range(_STEPS):
        scores = rows @ weight.T
        shares = np.exp(scores - scores.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        gradient = (shares - wanted).T @ rows / n + free * weight
        if np.abs(gradient).max() <= _GRADIENT:
            return weight[:, :d], weight[:, d]
        curvature = np.zeros((classes, d + 1, classes, d + 1))
        for a in range(classes):
            for b in range(classes):
                each = shares[:, a] * ((a == b) - shares[:, b]) / n
                curvature[a, :, b] = rows.T @ (rows * each[:, None]) + (a == b) * np.diag(free)
        flat = curvature.reshape(classes * (d + 1), -1)
        step = np.linalg.lstsq(flat, -gradient.ravel(), rcond=1e-12)[0].reshape(weight.shape)
        size, now, slope = 1.0, loss(weight), float((gradient * step).sum())
        while loss(weight + size * step) > now + 1e-4 * size * slope and size > 1e-6:
            size /= 2
        weight = weight + size * step
    raise UnavailableError(f"logistic regression did not reach its optimum in {_STEPS} Newton steps.")
