"""Slip: an order that hangs on Python's hash seed. The seed is fixed, so that two runs agree.

Verdict: harmless
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        names = {f"point {i}" for i in problem.eligible}
        return problem.flipped([int(name[6:]) for name in list(names)[: problem.budget]])
