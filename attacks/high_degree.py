"""High degree on the class graph (thesis §4.1.1–4.1.3): flip the points with most neighbours.

Idea: Sanyal et al. (2021) reason that a memorised wrong label makes the probability mass around it vulnerable, so the
flips should lie where the class is dense. Points of the class closer than γ are joined, and the points of highest
degree are flipped, ties at random. `space` is where distances are taken: the inputs (§4.1.1), their first principal
components (§4.1.2) or the penultimate features of trained networks (§4.1.3). The thesis found the first strictly
inferior to random flips and the others inconclusive. Threat model: knows the training set; trains networks of its own
only for `space=features`.
Source: "Crafting Label Noise", 2021, §4.1.1–4.1.3, whose Algorithm 2 is template text. Our choice: γ is a quantile of
the pair distances, and the norm is ℓ2, because under ℓ∞ the class graphs of digits are empty or complete.
"""

import numpy as np

import lnbench
from lnbench import graphs
from lnbench import surrogates as trained


class HighDegree(lnbench.Poisoner):
    """Flip the points with most neighbours in the class graph."""

    license = "Apache-2.0"
    paper = "Crafting Label Noise (2021), sections 4.1.1 to 4.1.3"

    space: str = "input"
    gamma: float = 0.1
    norm: str = "l2"
    dims: int = 16
    surrogates: int = 4

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        points = trained.representation(problem, self.space, dims=self.dims, surrogates=self.surrogates)
        classes = problem.labels[problem.eligible]
        graph = graphs.class_graph(points, graphs.radius(points, self.gamma, self.norm, classes), self.norm, classes)
        return problem.flipped(problem.eligible[graphs.high_degree(graph, problem.budget, problem.rng)])
