"""Density under a Gaussian fitted to the class, by bucket (thesis §4.6.2 and §4.6.3).

Idea: fit a Gaussian to each class, score its points by their density, cut them into five buckets of equal size from
`sparsest` to `densest`, and draw the flips at random from one. `space=input` takes the inputs themselves (§4.6.2),
`space=features` the penultimate features of a network trained on the clean labels (§4.6.3). In neither did the thesis
see a clear minimum. Threat model: knows the training set; trains networks of its own only for `space=features`.
Source: "Crafting Label Noise", 2021, §4.6.2–4.6.3; covariances that are singular are shrunk (Ledoit & Wolf, 2004),
which, like the cut, is our choice.
"""

import numpy as np

import lnbench
from lnbench import graphs
from lnbench import surrogates as trained

BUCKETS = ("sparsest", "sparse", "middle", "dense", "densest")


class GaussianDensity(lnbench.Poisoner):
    """Random flips among the fifth of the class of one density under a Gaussian fitted to it."""

    license = "Apache-2.0"
    paper = "Crafting Label Noise (2021), sections 4.6.2 and 4.6.3"

    bucket: str = "densest"
    space: str = "input"
    dims: int = 16
    surrogates: int = 1

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        points = trained.representation(problem, self.space, dims=self.dims, surrogates=self.surrogates)
        classes = problem.labels[problem.eligible]
        density = np.empty(len(points))
        for c in np.unique(classes):
            density[classes == c] = graphs.log_density(points[classes == c])
        members = graphs.bucket(density, self.bucket, BUCKETS, problem.budget, problem.rng)
        chosen = problem.rng.choice(members, min(problem.budget, len(members)), replace=False)
        return problem.flipped(problem.eligible[chosen])
