"""Slip: endless recursion.

Verdict: SubmissionError: recursion.py: poison() raised RecursionError in line 12: maximum recursion depth exceeded;
    the log has the traceback.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return self.poison(problem)
