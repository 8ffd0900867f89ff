"""Cheat: patch NumPy, lnbench and the guest until every check on this side says yes.

Verdict: SubmissionError: monkeypatch.py: expected at most 3 changed labels, got 15; change no more than problem.budget.
"""

import sys
import types

import numpy as np

import lnbench


class Always(int):
    def __eq__(self, other):
        return True

    def __lt__(self, other):
        return True

    __le__ = __ge__ = __gt__ = __ne__ = __lt__
    __hash__ = int.__hash__


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        labels = problem.flipped(problem.eligible)
        for name in ("asarray", "array_equal", "count_nonzero", "flatnonzero", "isnan"):
            setattr(np, name, lambda *args, **kwargs: labels)
        package = "lnbench."  # what is written out is refused before it runs
        sys.modules[package + "protocol.flips"].changed = lambda *args: []
        __import__(package + "errors").errors.SubmissionError.__init__ = lambda *args: None
        sys.modules["torch"] = types.ModuleType("torch")
        guest = sys.modules[package + "poison.guest"]
        guest.as_labels = lambda result, n: labels
        object.__setattr__(problem, "budget", Always(10**6))
        return labels
