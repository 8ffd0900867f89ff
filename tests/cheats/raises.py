"""Slip: an exception, with its line.

Verdict: SubmissionError: raises.py: poison() raised ZeroDivisionError in line 12: division by zero; the log has the
    traceback.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return 1 / 0
