"""Cheat: change, while running, all that a record says about a submission: parameters, author, description.

Verdict: harmless
"""

import sys

import lnbench


class Cheat(lnbench.Poisoner):
    """The description."""

    author = "The author"
    license = "MIT"
    bucket: str = "near"

    def poison(self, problem):
        first = self.bucket == "near"
        return problem.flipped(problem.eligible[: problem.budget] if first else problem.eligible[-problem.budget :])


Cheat.__doc__, Cheat.author, Cheat.license = "Another description.", "Somebody else", "GPL-3.0"
Cheat.parameters = classmethod(lambda cls: {})
guest = sys.modules[".".join(("lnbench", "poison", "guest"))]
guest.json.dumps = lambda *_, **__: '{"author": "Somebody else", "parameters": {"bucket": "near"}}'
