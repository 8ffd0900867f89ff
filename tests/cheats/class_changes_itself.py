"""Slip: keep a value on the poisoner itself.

Verdict: SubmissionError: class_changes_itself.py: poison() set self.points in line 12, and a poisoner's fields are
    fixed; use a local variable, or hand the value on to the functions that need it.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        self.points = problem.eligible
        return problem.flipped(self.points[: problem.budget])
