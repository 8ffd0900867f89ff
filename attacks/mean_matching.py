"""Kernel mean matching: flips that stand for the whole class.

Idea: what hurts is not where a single flip lies but how well the flips together represent their class. Of all sets of
k points this takes one whose kernel mean is closest to the class's, the smallest maximum mean discrepancy (MMD): each
flip where the class is dense, yet away from the others. A network that has learnt to call a faithful miniature of the
class by the target's name has a boundary close to all of it. Among random flip sets of digits, the MMD explains
adversarial accuracy better than the k-medoids cost, degree or distance from the boundary. Greedy herding, then
exchanges of single points while any lowers it; exact k-subsets are too many. Threat model: knows the training set;
trains nothing.
Source: kernel herding (Chen, Welling & Smola, 2010) and the MMD (Gretton et al., 2012) put to this use by lnbench;
the kernel is Gaussian in pixel space, its width half the median distance.
"""

import numpy as np

import lnbench
from lnbench import graphs


class MeanMatching(lnbench.Poisoner):
    """Flip a miniature of the class: the points whose kernel mean is closest to the class's."""

    license = "Apache-2.0"

    width: float = 0.5

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        chosen = graphs.herd(graphs.gaussian_kernel(problem.inputs[problem.eligible], self.width), problem.budget)
        return problem.flipped(problem.eligible[chosen])
