"""Cheat: leave a daemon behind: forked twice, in a session of its own, all descriptors closed.

Modes: bubblewrap, none
Verdict: harmless
"""

import contextlib
import ctypes
import os
import time

import lnbench


class Cheat(lnbench.Poisoner):
    mark: str = ""

    def poison(self, problem):
        if os.fork() == 0:
            with contextlib.suppress(PermissionError):
                os.setsid()
            if os.fork() == 0:
                ctypes.CDLL(None).prctl(15, self.mark.encode())  # its name
                os.closerange(0, 256)
                while True:
                    time.sleep(1)
            os._exit(0)
        time.sleep(0.1)
        return problem.flipped(problem.eligible[: problem.budget])
