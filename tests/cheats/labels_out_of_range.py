"""Cheat: a label above the range.

Verdict: SubmissionError: labels_out_of_range.py: expected labels in 0 … 3, but point 3 has 4; start from
    problem.labels.copy() and change only what you mean to.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        labels = problem.labels.copy()
        labels[problem.eligible[0]] = problem.num_classes
        return labels
