"""Cheat: load the split from the referee's own code, true labels and all.

Verdict: SubmissionError: uses_the_referee.py: line 9 uses lnbench.data.load, which is the referee's; a submission may
    use lnbench.DefenceProblem, Defender, Poisoner, Problem, Recipe, Threat, Training and lnbench.adversary, exact, graphs,
    kernels, metagradients, surrogates, victims.
"""

import lnbench
from lnbench.data import load


class Cheat(lnbench.Defender):
    def defend(self, problem):
        return lnbench.Training(labels=load(None, 0).labels)
