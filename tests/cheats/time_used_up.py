"""Slip: use the time to its very end. The referee allows a tenth more before it kills.

Seconds: 1.5
Verdict: harmless
"""

import time

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        while problem.seconds_left() > 0:
            time.sleep(0.01)
        return problem.flipped(problem.eligible[: problem.budget])
