"""Cheat: a verdict of its own, with commands for a terminal and for a CI service in it.

Verdict: SubmissionError: stream_message.py: it is fine �[2J ::set-output name=x::1 ## [error]
"""

import os
import stat

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        answer = b"R" + b"it is fine \x1b[2J\n::set-output name=x::1\n##[error]"
        for fd in range(3, 256):
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, answer)
            except OSError:
                continue
        os._exit(0)
