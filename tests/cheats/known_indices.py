"""Cheat: a list of indices found beforehand. The rules forbid it; splits make it useless, as their points differ.

Verdict: harmless
"""

import lnbench

KNOWN = [3, 7, 11, 15, 19, 23, 27, 31, 35, 39]


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        may = set(problem.eligible.tolist())
        return problem.flipped([i for i in KNOWN if i in may][: problem.budget])
