"""Cheat: kill every process it may, itself among them.

Modes: bubblewrap
Verdict: SubmissionError: kills_itself.py: its process was killed by SIGKILL before poison() returned.
"""

import contextlib
import os
import signal

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        with contextlib.suppress(ProcessLookupError):  # nobody else is there
            os.kill(-1, signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)
