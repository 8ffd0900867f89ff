"""Cheat: a table of bits in characters without a shape, which a string of a few letters seems to hold.

Verdict: SubmissionError: hides_in_fillers.py: line 9 holds U+FE00 VARIATION SELECTOR-1, with which a reader sees other
    code than Python runs; remove it, or write it as an escape in a string.
"""

import lnbench

POINTS = [ord(c) - 0xFE00 for c in "points︀︃︁︂"[6:]]


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return problem.flipped(problem.eligible[POINTS][: problem.budget])
