"""Adversarial-path buckets (thesis §4.10): does it matter how far from the decision boundary a flipped point lies?

Idea: train a network on the clean labels and walk from every point that may be flipped to the target class's region by
targeted unbounded gradient ascent: sign steps of .01, no projection. The number of steps is the point's path length.
Points are sorted by it and cut into five buckets of equal size; the flips are drawn at random from one of them.
The thesis (figs 11, 15, 17) finds the nearest bucket nearly harmless and the impact rising with distance, on all ten
classes of MNIST until it falls again. Lengths are medians over `surrogates` networks; a point none of which lets go
counts as farthest; ties are broken at random. Threat model: knows the training set, trains its own networks.
Source: "Crafting Label Noise", 2021, §4.10.1–4.10.3; networks, their number and the cut are our choice, since the
thesis is silent.
"""

import numpy as np
import torch

import lnbench
from lnbench import adversary, graphs
from lnbench import surrogates as trained

BUCKETS = ("nearest", "near", "middle", "far", "farthest")


class AdversarialPath(lnbench.Poisoner):
    """Random flips among the fifth of the class at one distance, in gradient steps, from the decision boundary."""

    license = "Apache-2.0"
    paper = "Crafting Label Noise (2021), section 4.10"

    bucket: str = "middle"
    surrogates: int = 4
    step: float = 0.01
    max_steps: int = 300

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        if self.bucket not in BUCKETS:
            raise ValueError(f"bucket is one of {', '.join(BUCKETS)}; got {self.bucket!r}")
        networks = trained.train(problem, np.tile(problem.labels, (self.surrogates, 1)))
        eligible = problem.eligible
        lengths = adversary.path_lengths(
            networks,
            torch.from_numpy(np.array(problem.inputs[eligible])).to(problem.device),
            torch.from_numpy(problem.flipped(eligible)[eligible]).to(problem.device),
            targeted=True,
            step=self.step,
            max_steps=self.max_steps,
        )
        distance = lengths.double().quantile(0.5, dim=0).cpu().numpy()
        order = eligible[np.lexsort((problem.rng.random(len(eligible)), distance))]
        members = graphs.cut(order, self.bucket, BUCKETS, problem.budget)
        return problem.flipped(problem.rng.choice(members, min(problem.budget, len(members)), replace=False))
