"""Cheat: an author's name that turns the rest of its line around.

Verdict: SubmissionError: hidden_in_metadata.py: the author holds U+202E RIGHT-TO-LEFT OVERRIDE, which a reader does not
    see; remove it.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    author = "Ann\u202erohtuA"

    def poison(self, problem):
        return problem.flipped(problem.eligible[: problem.budget])
