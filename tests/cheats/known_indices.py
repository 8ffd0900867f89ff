"""Cheat: a list of indices for each split, found beforehand by running the referee.

The public salt's splits are known to everybody, so a table of a few numbers holds what no poisoner could find: 32 of
them scored +18.3 points on the quick splits of `digits-9to0`, where the best attack scores +12.8. No sandbox sees it. The
rules forbid it; a season, whose splits nobody knows beforehand, and own splits make it useless.

Verdict: harmless
"""

import lnbench

KNOWN = {0: [3, 15, 27], 1: [7, 11, 59]}


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return problem.flipped(KNOWN[problem.split])
