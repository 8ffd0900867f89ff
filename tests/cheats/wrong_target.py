"""Cheat: a point of the right class moved to the wrong one.

Verdict: SubmissionError: wrong_target.py: expected changes along 3 → 0 only, but point 3 went 3 → 1;
    problem.flipped(indices) moves each point along its pair.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        labels = problem.labels.copy()
        labels[problem.eligible[0]] = 1
        return labels
