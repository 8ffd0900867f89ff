"""Cheat: an author who is another in every run.

Verdict: SubmissionError: computed_metadata.py: expected author in line 13 as text, author = "…"; write out what it is
    to say.
"""

import time

import lnbench


class Cheat(lnbench.Poisoner):
    author = f"Author {time.time_ns()}"

    def poison(self, problem):
        return problem.flipped(problem.eligible[: problem.budget])
