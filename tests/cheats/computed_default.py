"""Cheat: a default that is another in every run, so that a row without parameters is many attacks.

Verdict: SubmissionError: computed_default.py: parameter start in line 13 has a default that is computed; write its
    value, or annotate it as ClassVar if it is not a parameter.
"""

import time

import lnbench


class Cheat(lnbench.Poisoner):
    start: int = time.time_ns() % 2

    def poison(self, problem):
        return problem.flipped(problem.eligible[self.start :][: problem.budget])
