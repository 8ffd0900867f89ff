"""Gradient-boosted trees with their exact adversary in ℓ∞: one mixed-integer programme an input and class.

The class of x is the largest of the classes' sums of trees. A sum changes at thresholds alone, so the ball meets
finitely many boxes: a programme chooses on which side of every threshold inside the ball x′ lies, and with that one
leaf of every tree, such that the wanted class has the largest sum (Kantchelian, Tygar & Joseph, ICML 2016, with leaves
outside the ball left out). HiGHS finds such a choice or proves that there is none; what it finds is made into an input
and tried. Sums that tie are the adversary's, and so are the ball's border and thresholds on it.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from lnbench.errors import ProtocolError, UnavailableError
from lnbench.exact.polyhedra import TOLERANCE, Bounds, Norm
from lnbench.protocol.documents import AtLeastOne, Count, Part, Positive

_TIE = 1e-6
"""Sums this near are equal, as solvers are not more exact."""
_INFEASIBLE = 2
"""SciPy's status of a programme that is proven to have no solution."""

Threshold = tuple[int, float]
"""A feature, and the largest value of it that goes to the left."""
Path = dict[Threshold, bool]
"""What leads to a leaf: thresholds inside the ball, and whether it is on their left."""
Tree = tuple[int, list[tuple[Path, float]]]
"""The class of a tree, by its place, and its leaves inside the ball: path and value."""


class Options(Part, frozen=True, kw_only=True):
    """How they are grown.

    Attributes:
        rounds: trees of a class.
        depth: of a tree, at most.
        rate: by which each tree's answer is shrunk.
        features: inputs that a split chooses among, drawn by a fixed seed; all if 0.
    """

    rounds: AtLeastOne = 50
    depth: AtLeastOne = 3
    rate: Positive = 0.3
    features: Count = 8


class Victim:
    """Boosted trees with their exact adversary; the same labels give the same trees.

    Args:
        inputs: (n, *shape), inside `bounds`.
        labels: (n,) integers below `num_classes`; a class without points is never predicted.

    Raises:
        ProtocolError: if the norm is not ℓ∞, or a split is to choose among more features than there are.
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
        from sklearn.ensemble import GradientBoostingClassifier

        options, x = options or Options(), _flat(inputs)
        if norm != "linf":
            raise ProtocolError(f"trees have an exact adversary in linf alone, got {norm}.")
        if options.features > x.shape[1]:
            raise ProtocolError(f"a split cannot choose among {options.features} features, the data has {x.shape[1]}.")
        self.bounds, self.classes = bounds, np.unique(labels)
        self._model: Any = None
        self._start = np.zeros(len(self.classes))
        if len(self.classes) > 1:
            self._model = GradientBoostingClassifier(
                n_estimators=options.rounds,
                max_depth=options.depth,
                learning_rate=options.rate,
                max_features=options.features or None,
                random_state=0,
            ).fit(x, labels)
            each = np.array([[one.predict(x[:1])[0] for one in of_round] for of_round in self._model.estimators_])
            self._start = self.sums(x[:1])[0]
            self._start[-each.shape[1] :] -= options.rate * each.sum(0)

    def sums(self, x: np.ndarray) -> np.ndarray:
        """What the trees of each class that has points sum to, (m, class)."""
        if self._model is None:
            return np.zeros((len(x), 1))
        sums = np.asarray(self._model.decision_function(_flat(x)))
        return np.stack([np.zeros(len(x)), sums], 1) if sums.ndim == 1 else sums  # of two classes it has one sum

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The classes of inputs, (m,) int64."""
        return np.asarray(self.classes[self.sums(x).argmax(1)], dtype=np.int64)

    def radii(self, x: np.ndarray, classes: Collection[int], levels: Sequence[float]) -> np.ndarray:
        """The smallest of some radii at which each input can be given a class of `classes`, (m,); infinite if none.

        Raises:
            UnavailableError: if the solver fails.
        """
        found, goals = np.full(len(x), np.inf), np.flatnonzero(np.isin(self.classes, list(classes)))
        for row, (one, sums) in enumerate(zip(_flat(x), self.sums(x), strict=True)):
            nearest = goals[np.argsort(-sums[goals], kind="stable")]
            for level in sorted(levels):
                if sums.argmax() in goals or any(self.reached(one, int(goal), level) for goal in nearest):
                    found[row] = level
                    break
        return found

    def reached(self, x: np.ndarray, goal: int, radius: float) -> bool:
        """Whether some input within a radius of x (d,) has no sum larger than the `goal`-th class's.

        Raises:
            UnavailableError: if the solver fails.
        """
        from scipy.optimize import Bounds as Box
        from scipy.optimize import LinearConstraint, milp

        low, high = x - radius - TOLERANCE, x + radius + TOLERANCE
        if self.bounds is not None:
            low, high = np.maximum(low, self.bounds[0]), np.minimum(high, self.bounds[1])
        fixed, trees = self._within(low, high)
        if not trees:
            return bool((fixed[goal] >= fixed - _TIE).all())
        sides = {side: at for at, side in enumerate(sorted({s for _, leaves in trees for p, _ in leaves for s in p}))}
        rows, variables = _programme(goal, fixed, trees, sides)
        made = milp(
            np.zeros(variables),
            constraints=LinearConstraint(rows.matrix(variables), rows.least, rows.most),
            integrality=np.arange(variables) < len(sides),
            bounds=Box(0, 1),
        )
        if made.status == _INFEASIBLE:
            return False
        if made.x is None:
            raise UnavailableError(f"the solver failed on an input's trees: {made.message}")
        for (feature, threshold), place in sides.items():
            if made.x[place] > 0.5:
                high[feature] = min(high[feature], threshold)
            else:
                low[feature] = max(low[feature], np.nextafter(threshold, np.inf))
        sums = self.sums(((low + high) / 2)[None])[0]
        if sums[goal] < sums.max() - 10 * _TIE:
            raise UnavailableError("the solver's choice of leaves is no input's: the trees have thresholds too near.")
        return True

    def _within(
        self, low: np.ndarray, high: np.ndarray
    ) -> tuple[np.ndarray, list[tuple[int, list[tuple[Path, float]]]]]:
        """What is certain in a box, and what is not: each class's sum so far, and the leaves of every other tree.

        Returns:
            (class,) sums of the starts and of trees with one leaf in the box; and of each other tree its class and
            leaves, each with its path and value.
        """
        if self._model is None:
            return np.zeros(1), []
        grown, rate, binary = self._model.estimators_, self._model.learning_rate, len(self.classes) == 2
        fixed, trees = self._start.copy(), []
        for place, one in np.ndenumerate(grown):
            of, leaves = place[1] + binary, _leaves(one.tree_, low, high)
            if len(leaves) == 1:
                fixed[of] += rate * leaves[0][1]
            else:
                trees.append((of, [(path, rate * value) for path, value in leaves]))
        return fixed, trees


def _programme(
    goal: int, fixed: np.ndarray, trees: Sequence[Tree], sides: Mapping[Threshold, int]
) -> tuple[_Rows, int]:
    """The constraints under which the `goal`-th class has the largest sum, and the number of variables.

    Args:
        fixed: (class,) what is certain of each sum.
        sides: thresholds in order, and the variable of each: 1 on its left, 0 on its right. Leaves follow.
    """
    rows, own, variables = _Rows(), [list[tuple[int, float]]() for _ in fixed], len(sides)
    for one, larger in itertools.pairwise(sides):
        if one[0] == larger[0]:  # left of a threshold is left of every larger one
            rows.add([(sides[one], 1.0), (sides[larger], -1.0)], -np.inf, 0.0)
    for of, leaves in trees:
        places = range(variables, variables + len(leaves))
        variables += len(leaves)
        rows.add([(place, 1.0) for place in places], 1.0, 1.0)
        for side in {s for path, _ in leaves for s in path}:
            for left in (True, False):  # leaves on a side are there only if x′ is on it
                there = [(p, 1.0) for p, (path, _) in zip(places, leaves, strict=True) if path.get(side) is left]
                if there:
                    rows.add([*there, (sides[side], -1.0 if left else 1.0)], -np.inf, 0.0 if left else 1.0)
        own[of] += [(place, value) for place, (_, value) in zip(places, leaves, strict=True)]
    for other in range(len(fixed)):
        if other != goal:
            terms = [*own[goal], *((place, -value) for place, value in own[other])]
            rows.add(terms, fixed[other] - fixed[goal], np.inf)
    return rows, variables


class _Rows:
    """Constraints least ≤ A v ≤ most, one after the other."""

    def __init__(self) -> None:
        self.least, self.most, self._terms = list[float](), list[float](), list[tuple[int, int, float]]()

    def add(self, terms: Sequence[tuple[int, float]], least: float, most: float) -> None:
        """One row of (variable, factor)."""
        self._terms += [(len(self.least), place, factor) for place, factor in terms]
        self.least.append(least)
        self.most.append(most)

    def matrix(self, variables: int) -> Any:
        """A, sparse."""
        from scipy.sparse import coo_array

        row, column, factor = np.array(self._terms, dtype=float).reshape(-1, 3).T
        places = row.astype(np.int64), column.astype(np.int64)
        return coo_array((factor, places), shape=(len(self.least), variables)).tocsr()


def _leaves(tree: Any, low: np.ndarray, high: np.ndarray) -> list[tuple[Path, float]]:
    """A tree's leaves that a box meets, with the thresholds inside the box that lead there, and their values."""
    found, stack = list[tuple[Path, float]](), [(0, low, high, Path())]
    while stack:
        node, least, most, path = stack.pop()
        if tree.children_left[node] < 0:
            found.append((path, float(tree.value[node, 0, 0])))
            continue
        feature, threshold = int(tree.feature[node]), float(tree.threshold[node])
        left, right = int(tree.children_left[node]), int(tree.children_right[node])
        if most[feature] <= threshold:
            stack.append((left, least, most, path))
        elif least[feature] > threshold:
            stack.append((right, least, most, path))
        else:
            under, over = most.copy(), least.copy()
            under[feature], over[feature] = threshold, np.nextafter(threshold, np.inf)
            stack.append((left, least, under, {**path, (feature, threshold): True}))
            stack.append((right, over, most, {**path, (feature, threshold): False}))
    return found


def _flat(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, dtype=np.float64).reshape(len(x), -1)
