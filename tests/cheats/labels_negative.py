"""Cheat: a label below the range.

Verdict: SubmissionError: labels_negative.py: expected labels in 0 … 3, but point 3 has -1; start from
    problem.labels.copy() and change only what you mean to.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        labels = problem.labels.copy()
        labels[problem.eligible[0]] = -1
        return labels
