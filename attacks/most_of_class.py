"""Where most of the class lies (thesis §4.10.3): flips at the commonest distance from the decision boundary.

Idea: the thesis finds the worst flips at the lengths of adversarial paths that most of the class has, which is why
random flips do so well: they mostly fall there. So walk from every point of the class to the target's region as
`adversarial_path` does, cut the range of lengths into `bins` of equal width, and draw the flips at random from the
fullest one (and from its neighbours, fullest first, while there are too few). Threat model: knows the training set,
trains its own networks on the clean labels.
Source: "Crafting Label Noise", 2021, §4.10.3, figs. 16 and 17; the number of bins and networks is our choice.
"""

import numpy as np
import torch

import lnbench
from lnbench import adversary
from lnbench import surrogates as trained


class MostOfClass(lnbench.Poisoner):
    """Random flips among the points at the commonest distance from the decision boundary."""

    license = "Apache-2.0"
    paper = "Crafting Label Noise (2021), section 4.10.3"

    bins: int = 10
    surrogates: int = 4
    step: float = 0.01
    max_steps: int = 300

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        if self.bins < 1:
            raise ValueError(f"bins is at least 1; got {self.bins}")
        eligible = problem.eligible
        networks = trained.train(problem, np.tile(problem.labels, (self.surrogates, 1)))
        lengths = adversary.path_lengths(
            networks,
            torch.from_numpy(np.array(problem.inputs[eligible])).to(problem.device),
            torch.from_numpy(problem.flipped(eligible)[eligible]).to(problem.device),
            targeted=True,
            step=self.step,
            max_steps=self.max_steps,
        )
        distance = lengths.double().quantile(0.5, dim=0).cpu().numpy()
        edges = np.linspace(distance.min(initial=np.inf), distance.max(initial=-np.inf), self.bins + 1)
        bins = np.clip(np.searchsorted(edges, distance, side="right") - 1, 0, self.bins - 1)
        counts = np.bincount(bins, minlength=self.bins)
        fullest = int(counts.argmax())
        # Whole bins until there are enough points: by distance from the fullest, the fuller of two first.
        order = sorted(range(self.bins), key=lambda b: (abs(b - fullest), -counts[b]))
        enough = int(np.searchsorted(np.cumsum(counts[order]), problem.budget)) + 1
        members = np.flatnonzero(np.isin(bins, order[:enough]))
        chosen = problem.rng.choice(members, min(problem.budget, len(members)), replace=False)
        return problem.flipped(eligible[chosen])
