"""Cheat: leave while being imported, with the exit status of success.

Verdict: SubmissionError: import_exits.py: importing it raised SystemExit in line 10: 0.
"""

import sys

import lnbench

sys.exit(0)


class Cheat(lnbench.Poisoner):
    pass
