"""Greedy coverage of the class graph (thesis §4.1.1–4.1.3): flips whose neighbourhoods cover the class.

Idea: points of high degree may all sit in one neighbourhood; a dominating set does not (thesis, fig. 2). With k flips
to place, this is greedy maximum coverage of closed neighbourhoods, at least 1 − 1/e of the best: each flip is the
point with most neighbours that no earlier flip is next to. `space` as in `high_degree`. The thesis found it strictly
inferior to random flips in the input space, and nothing conclusive elsewhere. Threat model: knows the training set;
trains networks of its own only for `space=features`.
Source: "Crafting Label Noise", 2021, §4.1.1–4.1.3, whose Algorithm 3 is template text; Nemhauser, Wolsey & Fisher,
1978. Our choice: γ is the quantile of the pair distances at which a point has one k-th of the class as neighbours on
average, so that k neighbourhoods could just cover it, unless `gamma` says otherwise.
"""

import numpy as np

import lnbench
from lnbench import graphs
from lnbench import surrogates as trained


class DominatingSet(lnbench.Poisoner):
    """Flip points whose neighbourhoods in the class graph cover the class, greedily."""

    license = "Apache-2.0"
    paper = "Crafting Label Noise (2021), sections 4.1.1 to 4.1.3"

    space: str = "input"
    gamma: float = 0.0
    norm: str = "l2"
    dims: int = 16
    surrogates: int = 4

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        points = trained.representation(problem, self.space, dims=self.dims, surrogates=self.surrogates)
        classes = problem.labels[problem.eligible]
        quantile = self.gamma or 1 / max(problem.budget, 1)
        graph = graphs.class_graph(points, graphs.radius(points, quantile, self.norm, classes), self.norm, classes)
        return problem.flipped(problem.eligible[graphs.coverage(graph, problem.budget, problem.rng)])
