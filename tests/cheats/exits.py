"""Cheat: leave from inside poison() with the exit status of success.

Verdict: SubmissionError: exits.py: poison() raised SystemExit in line 13: 0.
"""

import sys

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        sys.exit(0)
