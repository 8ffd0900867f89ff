"""Cheat: kill whatever started it.

Modes: bubblewrap
Verdict: harmless
"""

import os
import signal
import time

import lnbench


class Cheat(lnbench.Poisoner):
    referee: int = 0

    def poison(self, problem):
        for pid in (1, os.getppid(), self.referee, -os.getppid()):
            for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGUSR1):
                try:
                    os.kill(pid, number)
                except OSError:
                    continue
        time.sleep(0.05)
        return problem.flipped(problem.eligible[: problem.budget])
