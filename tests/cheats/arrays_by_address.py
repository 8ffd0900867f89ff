"""Cheat: zero the training inputs through their address; the pages are this process's own, and the file is untouched.

Verdict: harmless
"""

import ctypes

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        ctypes.memset(problem.inputs.ctypes.data, 0, problem.inputs.nbytes)
        ctypes.memset(problem.labels.ctypes.data, 0, 8)
        return problem.flipped(problem.eligible[: problem.budget])
