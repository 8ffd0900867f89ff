"""Cheat: a line that ends in a carriage return alone: Python starts a new line there, and many viewers do not.

Verdict: SubmissionError: hides_by_carriage_return.py: line 11 holds a carriage return (U+000D), with which a reader
    sees other code than Python runs; remove it, or write it as an escape in a string.
"""

import lnbench


START = 0
# where to start: atSTART = 2


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return problem.flipped(problem.eligible[START:][: problem.budget])
