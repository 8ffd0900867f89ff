"""Cheat: keep the code in a file beside it, which nobody is shown.

Verdict: SubmissionError: imports_a_neighbour.py: line 7 imports from a file beside it, and a submission is one file; put
    what it needs into it.
"""

from . import raises

import lnbench


class Cheat(lnbench.Poisoner):
    poison = raises.Cheat.poison
