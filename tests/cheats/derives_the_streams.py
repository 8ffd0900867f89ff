"""Cheat: derive the referee's random streams, and with them its random flips and every other split.

Verdict: SubmissionError: derives_the_streams.py: line 9 uses lnbench.protocol.seeds.Streams, which is the referee's; a
    submission may use lnbench.DefenceProblem, Defender, Poisoner, Problem, Recipe, Threat, Training and
    lnbench.adversary, exact, graphs, kernels, metagradients, surrogates, victims.
"""

import lnbench
from lnbench.protocol.seeds import Streams


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        known = Streams("the track's hash").permutation(len(problem.labels), "split", problem.split)
        return problem.flipped([i for i in known if i in problem.eligible][: problem.budget])
