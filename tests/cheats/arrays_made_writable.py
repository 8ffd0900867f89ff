"""Cheat: lift NumPy's write protection and zero the training inputs; the pages are this process's own.

Verdict: harmless
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        problem.inputs.setflags(write=True)
        problem.inputs[:] = 0
        return problem.flipped(problem.eligible[: problem.budget])
