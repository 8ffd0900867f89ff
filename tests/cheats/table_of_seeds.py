"""Cheat: a table of one number a split, the seed whose random flips did best there when the referee was run many times.

48 numbers of a few digits scored +13.0 points on the public splits of `digits-9to0`. No sandbox sees it, and without
the split's number a hash of the inputs would say the same. (The six below are placeholders; a real table, for a
nearest neighbour, is made in tests/exact/test_table_of_seeds.py.) On its own splits, which its source draws, the table
knows nothing: a better one would be another source, with other splits. A season's secret splits make it as useless.

Verdict: harmless
"""

import numpy as np

import lnbench

SEEDS = [311, 4, 92, 17, 805, 66]


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        rng = np.random.default_rng(SEEDS[problem.split % len(SEEDS)])
        return problem.flipped(rng.choice(problem.eligible, problem.budget, replace=False))
