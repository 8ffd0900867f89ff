"""Random flips: the baseline as a row.

Idea: none; k of the points that may change, uniformly without replacement. Its expected score is zero, since the random
arm of every evaluation is drawn the same way from another stream. Threat model: needs nothing but the labels.
Source: the thesis's "random-uniform strategy", after Sanyal et al., "How benign is benign overfitting?", 2021.
"""

import numpy as np

import lnbench


class RandomFlip(lnbench.Poisoner):
    """Uniformly random flips: the baseline every row is measured against."""

    license = "Apache-2.0"

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        return problem.flipped(problem.rng.choice(problem.eligible, size=problem.budget, replace=False))
