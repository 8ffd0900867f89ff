"""Cheat: another draw in every run, in the hope of one good one. Harmless in one run; a second one tells.

Deterministic: no
Verdict: harmless
"""

import random

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return problem.flipped(random.SystemRandom().sample(list(problem.eligible), problem.budget))
