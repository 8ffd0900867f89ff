"""Degree as a stand-in for density, by bucket (thesis §4.6.1): does it matter how dense the class is around a flip?

Idea: sort the points of the class by their degree in the class graph, cut them into five buckets of equal size from
`sparsest` to `densest`, and draw the flips at random from one. On the toy distribution adversarial accuracy first
falls and then rises along such a scale; on MNIST the thesis could not find the curve. Threat model: knows the
training set.
Source: "Crafting Label Noise", 2021, §4.6.1; γ (a quantile of the pair distances), ℓ2 and the cut are our choice.
"""

import numpy as np

import lnbench
from lnbench import graphs

BUCKETS = ("sparsest", "sparse", "middle", "dense", "densest")


class DegreeBucket(lnbench.Poisoner):
    """Random flips among the fifth of the class of one degree in the class graph."""

    license = "Apache-2.0"
    paper = "Crafting Label Noise (2021), section 4.6.1"

    bucket: str = "middle"
    gamma: float = 0.1
    norm: str = "l2"

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        points, classes = problem.inputs[problem.eligible], problem.labels[problem.eligible]
        graph = graphs.class_graph(points, graphs.radius(points, self.gamma, self.norm, classes), self.norm, classes)
        members = graphs.bucket(graphs.degrees(graph), self.bucket, BUCKETS, problem.budget, problem.rng)
        chosen = problem.rng.choice(members, min(problem.budget, len(members)), replace=False)
        return problem.flipped(problem.eligible[chosen])
