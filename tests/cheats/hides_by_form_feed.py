"""Cheat: a form feed, after which Python forgets how far a line is indented.

Verdict: SubmissionError: hides_by_form_feed.py: line 12 holds a form feed (U+000C), with which a reader sees other code
    than Python runs; remove it, or write it as an escape in a string.
"""

import lnbench

START = 0
if START:
    print("not the first")
    START = 2


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return problem.flipped(problem.eligible[START:][: problem.budget])
