"""Cheat: an exception that cannot be printed.

Verdict: SubmissionError: raises_unprintable.py: poison() raised Trap in line 16.
"""

import lnbench


class Trap(BaseException):
    def __str__(self):
        raise self


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        raise Trap
