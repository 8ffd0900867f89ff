"""Cheat: the same labels again on the first split, where it thinks the referee looks, and luck on all others.

Verdict: harmless
"""

import os

import numpy as np

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        luck = np.random.default_rng(int.from_bytes(os.urandom(8), "big"))
        draw = problem.rng if problem.split == 0 else luck
        return problem.flipped(draw.choice(problem.eligible, problem.budget, replace=False))
