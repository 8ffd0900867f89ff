"""Matched medoids: flips that are near every point of their class, and whose mean is the class's.

Idea: two measures tell harmful sets of flips from others, each on another network. Medoids, how near every point of
the class is to some flip, tell it best of convolutional networks; the mean in a kernel's feature space, less the other
classes' (`mean_matching`), of those without. A set can be good by both. This takes one that is lowest in their sum,
each in units of its spread over random sets of the class, both with the same weight, the mean by kernels of three
widths.
Threat model: knows the training set; trains nothing.
Source: k-medoids (Kaufman & Rousseeuw 1987) and the maximum mean discrepancy (Gretton et al. 2012), put together by
lnbench. Weight, widths and contrast were looked at on public splits of `digits-9to0` (`attacks/README.md` has the
settings), so that only its own splits and seasons are proof.
"""

import numpy as np

import lnbench
from lnbench import graphs

WIDTHS = (0.5, 1.0, 2.0)
"""Widths of the kernels, in median distances within the class."""


class MatchedMedoids(lnbench.Poisoner):
    """Flip a miniature of the class by two measures: medoids, and the kernel mean less that of the other classes."""

    license = "Apache-2.0"

    share: float = 0.5
    contrast: float = 1.0
    others: int = 4096

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        eligible, rng = problem.eligible, problem.rng
        rest = np.setdiff1d(np.arange(len(problem.labels)), eligible)
        some = np.sort(rng.choice(rest, min(self.others, len(rest)), replace=False))
        points, kernels = problem.inputs[eligible], []
        for width in WIDTHS:
            kernel, alien = graphs.contrast(points, problem.inputs[some], width)
            kernels.append((kernel, self.contrast * alien))
        chosen = graphs.miniature(graphs.distances(points), kernels, problem.budget, rng, share=self.share)
        return problem.flipped(eligible[chosen])
