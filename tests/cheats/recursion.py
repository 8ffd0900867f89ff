"""Slip: endless recursion.

Verdict: SubmissionError: recursion.py: poison() raised RecursionError in line 11: maximum recursion depth exceeded.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return self.poison(problem)
