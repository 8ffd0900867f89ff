"""Label-only trajectory matching: flips whose gradients lead where a ruined network went.

Idea, after FLIP: an expert is trained on the training set together with its own source points, moved by the adversary
to the edge of their balls and labelled as the target, so that the adversary breaks it everywhere. The poisoner can
only flip labels of clean points, so it looks for flips whose gradients, at the network trained on clean labels from
the same initialisation, add up to the way from there to the expert: matching pursuit on the difference of the
parameters, one flip at a time, summed over networks stopped at half and at the end of training. Threat model: knows
the training set, trains its own networks.
Source: Jha, Hayase & Oh, "Label poisoning is all you need" (FLIP), NeurIPS 2023, its idea only: one segment of the
trajectory per network, matched by pursuit rather than by soft labels.
"""

import dataclasses

import numpy as np
import torch

import lnbench
from lnbench import metagradients
from lnbench import surrogates as trained


class TrajectoryMatching(lnbench.Poisoner):
    """Flip the points whose gradients add up to the way to a network that the adversary breaks everywhere."""

    license = "Apache-2.0"
    paper = "Label poisoning is all you need (Jha, Hayase & Oh, 2023), the idea"

    surrogates: int = 18
    victim: str = "mlp"

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        eligible = problem.eligible
        count = max(1, (self.surrogates - 2) // 4)  # clean networks and as many experts, at two lengths; two scouts
        _, recipe = trained.defaults(self.victim, len(problem.labels))
        pursuits = []
        for share in (0.5, 1.0):
            seed, steps = int(problem.rng.integers(2**62)), max(1, round(share * recipe.steps))
            labels = np.tile(problem.labels, (count, 1))
            clean = trained.train(problem, labels, victim=self.victim, seed=seed, steps=steps)
            scout = trained.train(problem, problem.labels, victim=self.victim, steps=steps)
            moved = metagradients.worst_points(scout, problem, eligible)[0].cpu().numpy()
            ruined = dataclasses.replace(
                problem,
                inputs=np.concatenate([problem.inputs, moved]).astype(np.float32),
                labels=np.concatenate([problem.labels, problem.flipped(eligible)[eligible]]),
            )
            expert = trained.train(
                ruined, np.tile(ruined.labels, (count, 1)), victim=self.victim, seed=seed, steps=steps
            )
            way = {k: expert.parameters[k] - p for k, p in clean.parameters.items()}
            norms = [metagradients.norms(metagradients.flip_gradients(clean, problem, int(i))) for i in eligible]
            pursuits.append((clean, way, torch.stack(norms, 1).clamp(min=1e-12)))
        chosen: list[int] = []
        while len(chosen) < min(problem.budget, len(eligible)):
            fit = np.zeros(len(eligible))
            for clean, way, norms in pursuits:
                slopes = metagradients.flip_slopes(clean, problem, eligible, way) / norms
                fit += (slopes / metagradients.norms(way).clamp(min=1e-12).unsqueeze(1)).sum(0).double().cpu().numpy()
            fit[chosen] = -np.inf
            chosen.append(int(fit.argmax()))
            for clean, way, _ in pursuits:
                _subtract(way, metagradients.flip_gradients(clean, problem, int(eligible[chosen[-1]])))
        return problem.flipped(eligible[chosen])


def _subtract(way: metagradients.Parameters, step: metagradients.Parameters) -> None:
    """Take the part along `step` out of `way`, in place and for each network."""
    share = metagradients.inner(way, step) / metagradients.inner(step, step).clamp(min=1e-24)
    for name, part in step.items():
        way[name] = way[name] - share.view(-1, *[1] * (part.dim() - 1)) * part
