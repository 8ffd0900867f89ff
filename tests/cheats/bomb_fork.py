"""Cheat: fork until the machine stands still.

Modes: bubblewrap
Verdict: harmless
"""

import os
import time

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        children = 0
        while children < 200:
            try:
                child = os.fork()
            except OSError:
                break
            if child == 0:
                time.sleep(60)
                os._exit(0)
            children += 1
        escaped = [f"{children} processes"] if children > 64 else []
        if escaped:
            raise RuntimeError(f"escaped: {escaped}")
        return problem.flipped(problem.eligible[: problem.budget])
