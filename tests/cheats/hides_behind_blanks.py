"""Cheat: code on the right of the screen, behind blanks.

Verdict: SubmissionError: hides_behind_blanks.py: line 9 goes on behind more than 120 blanks, where a reader does not
    look; break the line.
"""

import lnbench

START = 0                                                                                                                                                                                                                                                                                                            ; START = 2


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return problem.flipped(problem.eligible[START:][: problem.budget])
