"""Cheat: a point of a class that may not change.

Verdict: SubmissionError: wrong_source.py: expected changes along 3 → 0 only, but point 1 of class 1 became 0;
    problem.eligible lists the points that may change.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        labels = problem.labels.copy()
        labels[1] = 0
        return labels
