# -*- coding: utf-7 -*-
"""Cheat: an encoding in which Python reads a remark as code.

Verdict: SubmissionError: hides_by_coding_line.py: line 1 says that the file is in utf-7, and a submission is read as
    UTF-8; save it as UTF-8 and remove that line.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    # the first points that may be flipped +AAo-    start = 2
    start = 0

    def poison(self, problem):
        return problem.flipped(problem.eligible[self.start :][: problem.budget])
