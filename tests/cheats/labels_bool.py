"""Cheat: a mask of flips instead of labels.

Verdict: SubmissionError: labels_bool.py: expected poison() to return 60 integer labels, got dtype bool; copy
    problem.labels, which are int64, and change the copy.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return problem.labels == 0
