"""Cheat: leave a thousand folders inside each other, and a closed one, for the referee to remove.

Modes: bubblewrap, none
Verdict: harmless
"""

import os

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        os.chdir(os.environ["HOME"])
        os.makedirs("closed/inside")
        try:
            os.chmod("closed", 0)
        except PermissionError:
            pass
        for _ in range(1200):
            os.mkdir("d")
            os.chdir("d")
        return problem.flipped(problem.eligible[: problem.budget])
