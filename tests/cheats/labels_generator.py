"""Slip: a generator instead of an array.

Verdict: SubmissionError: labels_generator.py: expected poison() to return 60 integer labels, got an object of type
    generator; return a NumPy array.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        return (int(label) for label in problem.labels)
