"""Cheat: fork, and let both processes return from poison(); only the first may answer.

Verdict: harmless
"""

import os

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        return problem.flipped(problem.eligible[: problem.budget])
