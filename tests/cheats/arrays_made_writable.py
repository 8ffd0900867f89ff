"""Cheat: lift NumPy's write protection and zero the training inputs.

Verdict: SubmissionError: arrays_made_writable.py: poison() wrote to a read-only array of the problem in line 12; work
    on a copy: problem.labels.copy().
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        problem.inputs.setflags(write=True)
        problem.inputs[:] = 0
        return problem.labels
