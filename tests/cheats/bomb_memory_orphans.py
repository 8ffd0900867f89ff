"""Cheat: take all memory in orphans, which are nobody's descendants.

Seconds: 20
Modes: bubblewrap, none
Verdict: SubmissionError: bomb_memory_orphans.py: its processes held more than 1 GiB together, the limit; hold less at a
    time.
"""

import os
import time

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        for _ in range(8):
            if os.fork() == 0:
                if os.fork() == 0:
                    held = bytearray(b"x") * (200 << 20)
                    time.sleep(60)
                    os._exit(len(held) & 1)
                os._exit(0)
            os.wait()
        time.sleep(60)
