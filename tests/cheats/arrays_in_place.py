"""Cheat: change the referee's own arrays instead of returning labels.

Verdict: SubmissionError: arrays_in_place.py: poison() wrote to a read-only array of the problem in line 12; work on a
    copy: problem.labels.copy().
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        problem.labels[problem.eligible[: problem.budget]] = 0
        return problem.labels
