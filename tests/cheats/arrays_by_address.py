"""Cheat: write to the training inputs through their address; the pages themselves are read-only.

Verdict: SubmissionError: arrays_by_address.py: its process was killed by SIGSEGV before poison() returned; the log
    may say why.
"""

import ctypes

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        ctypes.memset(problem.inputs.ctypes.data, 0, problem.inputs.nbytes)
        return problem.labels
