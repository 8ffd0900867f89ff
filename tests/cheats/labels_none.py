"""Slip: the return statement is missing.

Verdict: SubmissionError: labels_none.py: expected poison() to return 60 integer labels, got None; end it with `return
    labels`.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        problem.flipped(problem.eligible[: problem.budget])
