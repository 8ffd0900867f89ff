"""A poisoner to start from: copy this file, rename it (the name becomes your row), change `poison`.

    lnbench check submissions/my_poisoner.py              # does it run, and does it keep the rules?  seconds
    lnbench evaluate submissions/my_poisoner.py --quick   # a first score
    lnbench evaluate submissions/my_poisoner.py           # the score

What you are given is one `problem`: the training inputs and labels of one split, the budget, and the pairs along which
a label may change. What you return is the label vector to train the victims on. You see no test point, no other split
and no network, and your process has a time limit (`problem.seconds_left()`). Use `problem.rng` for anything random, so
that the same problem gives the same labels.

This one spreads its flips: it picks points so that every point of the class is close to some flipped one, hoping that
each flip drags the decision boundary across its own neighbourhood. It is greedy k-medoids, in plain NumPy.
"""

import numpy as np

import lnbench


class MyPoisoner(lnbench.Poisoner):
    """Spread the flips over the class: greedy k-medoids in pixel space."""

    # Shown beside your row; all optional.
    author = ""
    paper = ""
    license = "Apache-2.0"

    # Annotated fields with a default are parameters:  lnbench evaluate FILE --set power=2
    power: float = 1.0

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        # The points whose label may change: those of the source class, here the nines.
        eligible = problem.eligible
        points = problem.inputs[eligible].reshape(len(eligible), -1).astype(np.float64)

        # Distances between all of them, (m, m).
        squares = (points**2).sum(1)
        distances = np.sqrt(np.maximum(squares[:, None] + squares[None, :] - 2 * points @ points.T, 0)) ** self.power

        # One flip after the other: the point that brings the class closest to its nearest flipped point.
        nearest = np.full(len(eligible), np.inf)
        chosen: list[int] = []
        while len(chosen) < min(problem.budget, len(eligible)):
            cost = np.minimum(nearest[:, None], distances).sum(0)
            cost[chosen] = np.inf
            chosen.append(int(cost.argmin()))
            nearest = np.minimum(nearest, distances[chosen[-1]])

        # A copy of the labels with these points moved to the target class, here zero.
        return problem.flipped(eligible[chosen])
