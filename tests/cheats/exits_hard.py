"""Cheat: end the process at once, with the exit status of success.

Verdict: SubmissionError: exits_hard.py: its process ended with exit status 0 before poison() returned; return the
    labels and leave exiting to lnbench.
"""

import os

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        os._exit(0)
