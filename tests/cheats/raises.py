"""Slip: an exception, with its line.

Verdict: SubmissionError: raises.py: poison() raised ZeroDivisionError in line 11: division by zero.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return 1 / 0
