"""Slip: a parameter that is neither number, bool nor text.

Verdict: SubmissionError: parameter_types.py: parameter widths needs a default that is an int, a finite float, a bool
    or a str; annotate what is no parameter as ClassVar.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    widths: tuple = (32, 32)

    def poison(self, problem):
        return problem.flipped(problem.eligible[: problem.budget])
