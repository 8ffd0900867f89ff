"""Slip: two Poisoners in one file.

Verdict: SubmissionError: class_two.py: expected exactly one class that extends lnbench.Poisoner at the top of the
    file, found First, Second; keep one to a file.
"""

import lnbench


class First(lnbench.Poisoner):
    def poison(self, problem):
        return problem.labels


class Second(lnbench.Poisoner):
    def poison(self, problem):
        return problem.labels
