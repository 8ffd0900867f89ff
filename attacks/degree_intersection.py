"""High degree in input space and in feature space at once (thesis §4.1.4).

Idea: take the 2k points of highest degree in the class graph over the inputs and the 2k over a trained network's
penultimate features, and flip k from the intersection. Where more than k are in both, those with the smallest sum of
ranks are flipped; where fewer are, the points with the smallest sum of ranks outside the intersection fill up, so
that the budget is always spent. The thesis got "no definitive results". Threat model: knows the training set and
trains networks of its own on the clean labels.
Source: "Crafting Label Noise", 2021, §4.1.4; the fallback, γ (a quantile of the pair distances) and ℓ2 are our
choice.
"""

import numpy as np

import lnbench
from lnbench import graphs
from lnbench import surrogates as trained


class DegreeIntersection(lnbench.Poisoner):
    """Flip points of high degree in the class graphs of both the inputs and a network's features."""

    license = "Apache-2.0"
    paper = "Crafting Label Noise (2021), section 4.1.4"

    gamma: float = 0.1
    norm: str = "l2"
    surrogates: int = 4

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        eligible, classes = problem.eligible, problem.labels[problem.eligible]
        ranks = np.empty((2, len(eligible)), dtype=np.int64)
        for row, space in zip(ranks, ("input", "features"), strict=True):
            points = trained.representation(problem, space, surrogates=self.surrogates)
            gamma = graphs.radius(points, self.gamma, self.norm, classes)
            order = graphs.high_degree(graphs.class_graph(points, gamma, self.norm, classes), len(row), problem.rng)
            row[order] = np.arange(len(row))
        both = (ranks < 2 * problem.budget).all(0)
        chosen = np.lexsort((ranks.sum(0), ~both))[: problem.budget]
        return problem.flipped(eligible[chosen])
