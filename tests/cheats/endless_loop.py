"""Cheat: never return.

Seconds: 0.6
Verdict: SubmissionError: endless_loop.py: no labels after 0.6 s, the limit for one split; return sooner,
    problem.seconds_left() tells how long there is.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        while True:
            pass
