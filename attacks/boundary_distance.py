"""Distance from the decision boundary (thesis §4.9.2): flip the points an unbounded attack takes longest to turn.

Idea: train networks on the clean labels and push every point of the class by sign steps of .01, without projection,
until the prediction is no longer its label. The number of steps is its score; the thesis found that flips hurt more
the farther from the boundary they lie (fig. 11, zeros and ones), so the largest scores are flipped, `nearest` the
smallest. Unlike `adversarial_path`, the walk is untargeted and nothing is drawn at random. Scores are medians over
`surrogates` networks; a point none of which lets go counts as farthest; ties are broken at random. Threat model:
knows the training set.
Source: "Crafting Label Noise", 2021, §4.9.2.
"""

import numpy as np
import torch

import lnbench
from lnbench import adversary, graphs
from lnbench import surrogates as trained

ENDS = ("farthest", "nearest")


class BoundaryDistance(lnbench.Poisoner):
    """Flip the points farthest from the decision boundary, in steps of an unbounded untargeted attack."""

    license = "Apache-2.0"
    paper = "Crafting Label Noise (2021), section 4.9.2"

    end: str = "farthest"
    surrogates: int = 4
    step: float = 0.01
    max_steps: int = 300

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        if self.end not in ENDS:
            raise ValueError(f"end is one of {', '.join(ENDS)}; got {self.end!r}")
        eligible = problem.eligible
        networks = trained.train(problem, np.tile(problem.labels, (self.surrogates, 1)))
        lengths = adversary.path_lengths(
            networks,
            torch.from_numpy(np.array(problem.inputs[eligible])).to(problem.device),
            torch.from_numpy(np.array(problem.labels[eligible])).to(problem.device),
            targeted=False,
            step=self.step,
            max_steps=self.max_steps,
        )
        distance = lengths.double().quantile(0.5, dim=0).cpu().numpy()
        score = distance if self.end == "farthest" else -distance
        return problem.flipped(eligible[graphs.by_score(score, problem.budget, problem.rng)])
