"""Cheat: unsigned labels that wrap to allowed ones when read as signed.

Verdict: SubmissionError: labels_too_large.py: expected poison() to return 60 integer labels, got
    18446744073709551615, which is not a label; copy problem.labels and change the copy.
"""

import numpy as np

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return problem.labels.astype(np.uint64) - np.uint64(1)
