"""Cheat: stand in for the module that counts victim trainings and claim that fewer than none were spent.

Verdict: SubmissionError: trainings_claimed.py: expected the victim trainings spent to be between 0 and 1000000000,
    got -32; leave the count to lnbench.surrogates.
"""

import sys
import types

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        module = types.ModuleType("lnbench.surrogates")
        module.trainings_spent = lambda: -32
        sys.modules["lnbench.surrogates"] = module
        return problem.flipped(problem.eligible[: problem.budget])
