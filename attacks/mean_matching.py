"""Kernel mean matching: flips that stand for the whole class and for no other.

Idea: it may matter less where a single flip lies than how well the flips together represent their class. Of all sets
of k points this takes one whose mean in a kernel's feature space is closest to μ(class) − `contrast` · μ(all other
points): each flip where the class is dense and the others are not, yet away from the other flips. A network that
calls a faithful miniature of the class by the target's name has a boundary close to all of it; and where other
classes are near, they hold the boundary. The minimum is sought by herding, then exchanges of single flips while any
lowers it. Threat model: knows the training set; trains nothing.
Source: kernel herding (Chen, Welling & Smola, 2010) and the maximum mean discrepancy (Gretton et al., 2012) put to
this use by lnbench. The kernel is Gaussian in pixel space, its scale `width` times the median distance within the
class. Both defaults are the plain ones, the median heuristic and a weight of 1: no data set was looked at for them.
"""

import numpy as np

import lnbench
from lnbench import graphs


class MeanMatching(lnbench.Poisoner):
    """Flip a miniature of the class: points whose kernel mean is the class's, less that of the other classes."""

    license = "Apache-2.0"

    width: float = 1.0
    contrast: float = 1.0
    others: int = 4096

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        eligible = problem.eligible
        rest = np.setdiff1d(np.arange(len(problem.labels)), eligible)
        some = np.sort(problem.rng.choice(rest, min(self.others, len(rest)), replace=False))
        kernel, alien = graphs.contrast(problem.inputs[eligible], problem.inputs[some], self.width)
        mean = kernel.mean(1) - self.contrast * alien
        return problem.flipped(eligible[graphs.herd(kernel, problem.budget, mean)])
