"""Slip: labels as a column.

Verdict: SubmissionError: labels_two_axes.py: expected poison() to return 60 integer labels, got shape (60, 1); return
    one label for each point of problem.inputs.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return problem.labels[:, None]
