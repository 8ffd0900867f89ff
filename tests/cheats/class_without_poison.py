"""Slip: a Poisoner that does not poison.

Verdict: SubmissionError: class_without_poison.py: poison() raised TypeError: Cheat does not define poison(self,
    problem).
"""

import lnbench


class Cheat(lnbench.Poisoner):
    pass
