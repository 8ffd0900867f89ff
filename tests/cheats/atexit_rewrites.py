"""Cheat: wait for the end of the process and write other labels then. The guest ends without exit handlers.

Verdict: harmless
"""

import atexit
import os

import lnbench


def rewrite():
    print("rewriting")
    for fd in range(3, 64):
        try:
            os.write(fd, b"\0" * 800)
        except OSError:
            pass


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        atexit.register(rewrite)
        return problem.flipped(problem.eligible[: problem.budget])
