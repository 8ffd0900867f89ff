"""Coverage of the class by the Voronoi cells of its points: the best flips against a nearest neighbour, as far as the
training set shows them.

Idea: on a one-nearest-neighbour victim a flip hands its own Voronoi cell to the target class and moves no other, so a
test point is broken exactly if its ball meets the cell of a flipped point. The best flips are those whose cells most
test points can be moved into: the thesis's dominating set (§4.1) with the edge *the ball meets the cell*. Test points
stay unseen, so the class's own points stand in for them, each taken out of the training set while it does. A stand-in
is not the test point, so that its distance to a cell counts softly: it is covered by a cell at distance r with
1 / (1 + exp((r / ε − radius) / softness)), which adds up over many radii. r is the lower bound that needs no solver.
Greedy coverage picks the flips, each by how much of the class it covers that no earlier one does. Both parameters are
the plain ones, ε itself: no data set was looked at for them.
Threat model: knows the training set, and the adversary's norm and radius; trains nothing.
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
    softness: float = 1.0

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        if not (self.softness > 0 and problem.threat.epsilon > 0):
            raise ValueError(f"softness is a positive number; got {self.softness}")
        eligible = problem.eligible
        classes = problem.labels[eligible]
        cells = Cells(problem.inputs, problem.threat.norm, problem.bounds)
        gain = np.zeros((len(eligible), len(eligible)))
        for source in np.unique(classes):
            own = np.flatnonzero(classes == source)
            distance = cells.left_out(eligible[own], eligible[own]) / problem.threat.epsilon
            gain[np.ix_(own, own)] = 1 / (1 + np.exp(np.minimum((distance - self.radius) / self.softness, 500)))
        return problem.flipped(eligible[greedy(gain, problem.budget)])
