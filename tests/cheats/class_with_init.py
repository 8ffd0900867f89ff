"""Slip: a constructor of its own.

Verdict: SubmissionError: class_with_init.py: Cheat defines __init__ in line 12, and lnbench makes poisoners itself;
    remove it and write its arguments as fields of the class, `rate: float = 0.1`.
"""

import lnbench


class Cheat(lnbench.Poisoner):

    def __init__(self, rate=0.1):
        self.rate = rate

    def poison(self, problem):
        return problem.flipped(problem.eligible[: problem.budget])
