"""Slip: megabytes of output. 64 kB are kept, the rest is dropped; it is no offence.

Verdict: harmless
"""

import sys

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        for stream in (sys.stdout, sys.stderr):
            stream.write("x" * 4_000_000)
        return problem.flipped(problem.eligible[: problem.budget])
