"""Cheat: NaN among the labels, which a careless conversion would make the smallest integer.

Verdict: SubmissionError: labels_nan.py: expected poison() to return 60 integer labels, got float64 with NaN in it;
    copy problem.labels, which are int64, and change the copy.
"""

import numpy as np

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        labels = problem.labels.astype(float)
        labels[0] = np.nan
        return labels
