"""Cheat: drop a training point.

Verdict: SubmissionError: labels_too_few.py: expected poison() to return 60 integer labels, got shape (59,); return
    one label for each point of problem.inputs.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return problem.labels[:-1]
