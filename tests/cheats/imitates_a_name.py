"""Cheat: a name in full-width letters, which Python reads as the ASCII name and a search does not find.

Verdict: SubmissionError: imitates_a_name.py: line 8 has the name 'ｓｔａｒｔ', which is not ASCII; such a name can look like
    another, or be another to Python, so write it in the letters a–z.
"""

start = 0
ｓｔａｒｔ = 2

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return problem.flipped(problem.eligible[start:][: problem.budget])
