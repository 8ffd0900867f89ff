"""Cheat: bidirectional controls, by which a viewer shows code as part of a remark.

Verdict: SubmissionError: hides_by_direction.py: line 12 holds U+202E RIGHT-TO-LEFT OVERRIDE, with which a reader sees
    other code than Python runs; remove it, or write it as an escape in a string.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        # the first points ‮ ;[2:] elbigile.melborp = points ⁦# begin here⁩
        points = problem.eligible
        return problem.flipped(points[: problem.budget])
