"""Cheat: return an object whose conversion to an array runs code in whoever converts it: the guest alone does.

Verdict: SubmissionError: code_as_training.py: labels: expected 60 integers, or rows of them, got a Code that is not an array
    (only the guest runs this).
"""

import lnbench


class Code:
    def __array__(self, *arguments, **options):
        raise RuntimeError("only the guest runs this")


class Cheat(lnbench.Defender):
    def defend(self, problem):
        return lnbench.Training(labels=Code())
