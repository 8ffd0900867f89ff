"""Cheat: take all memory in one process.

Verdict: SubmissionError: bomb_memory.py: poison() ran out of the memory limit of 1 GiB in line 13; hold less at a time.
"""

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        held = []
        while True:
            held.append(bytes(1 << 26))
