"""Coverage of the class by the Voronoi cells of its points: the best flips against a nearest neighbour, as far as the
training set shows them.

Idea: on a one-nearest-neighbour victim a flip hands its own Voronoi cell to the target class and moves no other, so a
test point is broken exactly if its ball meets the cell of a flipped point. The best flips are those whose cells most
test points can be moved into: the thesis's dominating set (§4.1) with the edge *the ball meets the cell*. Test points
stay unseen, so that the class's own points stand in for them, each taken out of the training set while its ball is
tried, and beside them points half way between neighbours. How surely a ball reaches a cell is read from a lower bound
of the distance, softly, because a stand-in is not the test point: a logistic curve around a multiple of ε. Greedy
coverage picks the flips, each by how many stand-ins it would break that no earlier one does.
Threat model: knows the training set and the adversary's norm and radius; trains nothing.
Source: `lnbench.exact`; Wang et al. 2019 for exact adversaries of nearest neighbours; Nemhauser, Wolsey & Fisher 1978.
"""

import numpy as np

import lnbench
from lnbench.exact.best import greedy
from lnbench.exact.nearest import Cells


class VoronoiCoverage(lnbench.Poisoner):
    """Flip points whose Voronoi cells most points of their class can be moved into."""

    license = "Apache-2.0"

    radius: float = 1.0
    softness: float = 0.2
    mixing: float = 0.0

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        eligible = problem.eligible
        distance = self.distances(problem, eligible)
        epsilon = problem.threat.epsilon
        surely = 1 / (1 + np.exp((distance / epsilon - self.radius) / self.softness))
        return problem.flipped(eligible[greedy(surely, problem.budget)])
