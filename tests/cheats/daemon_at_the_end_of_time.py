"""Cheat: a daemon, and then no labels either: both must be gone when the time is up.

Modes: bubblewrap, none
Seconds: 0.8
Verdict: SubmissionError: daemon_at_the_end_of_time.py: no labels after 0.8 s, the limit for one split; return sooner,
    problem.seconds_left() tells how long there is.
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
            ctypes.CDLL(None).prctl(15, self.mark.encode())  # its name
            if os.fork() == 0:
                os.closerange(0, 256)
        while True:
            time.sleep(1)
