"""Slip: a parameter that is not a number, a bool or text.

Verdict: SubmissionError: parameter_types.py: parameter widths in line 12 has a default of type tuple; a parameter is
    one int, float, bool or str, so write text such as "64,64" and split it in poison(), or annotate it as ClassVar if it
    is not a parameter.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    widths: tuple = (32, 32)

    def poison(self, problem):
        return problem.flipped(problem.eligible[: problem.budget])
