"""Bilevel optimisation (thesis §3.3): metagradients through training, of an adversary's success in the labels.

Idea: relax which labels are flipped to probabilities, a sigmoid of one logit per point, shifted so that they sum to
the budget. Inside, a network is trained on the relaxed labels and the input adversary attacks it on the class's
training points. Outside, the logits climb the gradient of the adversary's success in the probabilities (mirror
ascent, scaled to the steepest point), which is taken exactly, through every step of training; the adversary's points
are held fixed, as at a maximum they may be. Each round trains from a fresh initialisation, so that the flips are not
fitted to one. In the end the k largest probabilities are flipped; when time runs out, those so far. Threat model:
knows the training set and one architecture of the victims; the inner training is shorter than theirs and of gradient
descent with momentum.
Source: "Crafting Label Noise", 2021, §3.3, eq. 4, which leaves the practice open; metagradients as in MAML (Finn,
Abbeel & Levine, 2017) and MetaPoison (Huang et al., 2020).
"""

import time

import numpy as np
import torch
from scipy.optimize import brentq
from scipy.special import expit

import lnbench
from lnbench import graphs, metagradients


class Bilevel(lnbench.Poisoner):
    """Flip labels by gradient ascent through a network's whole training: metagradients of adversarial success."""

    license = "Apache-2.0"
    paper = "Crafting Label Noise (2021), section 3.3"

    surrogates: int = 20
    victim: str = "mlp"
    steps: int = 120
    rate: float = 0.5
    spread: float = 0.1

    def poison(self, problem: lnbench.Problem) -> np.ndarray:
        eligible, rng = problem.eligible, problem.rng
        logits, longest = self.spread * rng.standard_normal(len(eligible)), 0.0
        for _ in range(self.surrogates if 0 < problem.budget < len(eligible) else 0):
            if problem.seconds_left() < 2 + 1.5 * longest:
                break
            begin = time.monotonic()
            flip = torch.from_numpy(expit(logits + shift(logits, problem.budget))).float().requires_grad_()
            network = metagradients.unrolled(problem, flip, victim=self.victim, steps=self.steps)
            (uphill,) = torch.autograd.grad(metagradients.adversarial_loss(network, problem, eligible), flip)
            slopes = uphill.double().numpy()
            logits = logits + self.rate * slopes / max(np.abs(slopes).max(), 1e-12)
            longest = max(longest, time.monotonic() - begin)
        return problem.flipped(eligible[graphs.by_score(logits, problem.budget, rng)])


def shift(logits: np.ndarray, budget: int) -> float:
    """The number b with Σ sigmoid(logits + b) = budget, for 0 < budget < the number of logits."""
    far = float(np.abs(logits).max()) + 50
    return float(brentq(lambda b: expit(logits + b).sum() - budget, -far, far))
