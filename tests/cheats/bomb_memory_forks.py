"""Cheat: take all memory in many processes, each below its own limit.

Seconds: 20
Verdict: SubmissionError: bomb_memory_forks.py: its processes held more than 1 GiB together, the limit; hold less at a
    time.
"""

import os
import time

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        for _ in range(8):
            if os.fork() == 0:
                held = bytearray(b"x") * (200 << 20)
                time.sleep(60)
                os._exit(len(held) & 1)
        time.sleep(60)
