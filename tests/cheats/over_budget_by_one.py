"""Cheat: one flip more than the budget.

Verdict: SubmissionError: over_budget_by_one.py: expected at most 3 changed labels, got 4; change no more than
    problem.budget.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return problem.flipped(problem.eligible[: problem.budget + 1])
