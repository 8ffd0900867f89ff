"""Gradient alignment on the adversarial loss: flips that push the network where the adversary wins (influence, TracIn).

Idea: a gradient step on a flipped point instead of the clean one moves a network along the gradient of z_target −
z_source at that point. To first order the adversarial loss of the class then grows by that gradient's inner product
with the adversarial loss's own. The flips with the largest products, each network's scaled to a unit gradient and
averaged over networks trained for a quarter, half and all of the steps (TracIn's checkpoints), are returned. First
order, no Hessian, no interaction of flips. Threat model: knows the training set and trains networks on its clean
labels.
Source: Pruthi et al., "Estimating training data influence by tracing gradient descent", 2020, on the adversarial
loss; Geiping et al., "Witches' brew", 2021, for aligning gradients.
"""

import numpy as np

import lnbench
from lnbench import graphs, metagradients
from lnbench import surrogates as trained


class GradientAlignment(lnbench.Poisoner):
    """Flip the points whose flipped gradient points most along the gradient of the adversarial loss."""

    license = "Apache-2.0"

    surrogates: int = 12
    victim: str = "mlp"

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        eligible = problem.eligible
        _, recipe = trained.defaults(self.victim, len(problem.labels))
        labels = np.tile(problem.labels, (max(1, self.surrogates // 3), 1))
        score = np.zeros(len(eligible))
        for share in (0.25, 0.5, 1.0):
            networks = trained.train(problem, labels, victim=self.victim, steps=max(1, round(share * recipe.steps)))
            uphill = metagradients.adversarial_gradients(networks, problem, eligible)
            length = metagradients.norms(uphill)
            slopes = metagradients.flip_slopes(networks, problem, eligible, uphill)
            score += (slopes / length.clamp(min=1e-12).unsqueeze(1)).mean(0).double().cpu().numpy()
        return problem.flipped(eligible[graphs.by_score(score, problem.budget, problem.rng)])
