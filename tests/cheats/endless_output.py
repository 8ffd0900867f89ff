"""Cheat: print without end, to fill a disk or to stall the reader.

Seconds: 0.6
Verdict: SubmissionError: endless_output.py: no labels after 0.6 s, the limit for one split; return sooner,
    problem.seconds_left() tells how long there is.
"""

import os

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        while True:
            os.write(1, b"x" * 65536)
