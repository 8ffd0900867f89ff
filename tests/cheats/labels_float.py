"""Cheat: labels as floats, which a careless conversion would truncate.

Verdict: SubmissionError: labels_float.py: expected poison() to return 60 integer labels, got float64; copy
    problem.labels, which are int64, and change the copy.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return problem.labels + 0.9
