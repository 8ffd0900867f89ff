"""Cheat: an array of Python objects, which would need a pickle to travel.

Verdict: SubmissionError: labels_object.py: expected poison() to return 60 integer labels, got dtype object; copy
    problem.labels, which are int64, and change the copy.
"""

import lnbench


class Label(int):
    def __reduce__(self):
        return (print, ("unpickled",))


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        labels = problem.labels.astype(object)
        labels[0] = Label(0)
        return labels
