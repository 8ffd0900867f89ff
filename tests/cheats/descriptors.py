"""Cheat: write to every descriptor it can name, in the hope of another process's file.

Verdict: SubmissionError: descriptors.py: expected the answer that lnbench's guest writes, got something else (it is
    of no known kind); return the labels from poison() and write to no descriptor that you did not open.
"""

import os

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        for fd in range(256):
            try:
                os.write(fd, b"junk")
            except OSError:
                continue
        return problem.flipped(problem.eligible[: problem.budget])
