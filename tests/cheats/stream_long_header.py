"""Cheat: an answer whose header says that it has four gigabytes.

Verdict: SubmissionError: stream_long_header.py: expected the answer that lnbench's guest writes, got something else
    (its header has the wrong length); return the labels from poison() and write to no descriptor that you did not
    open.
"""

import os
import stat
import struct

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        answer = b"L" + struct.pack("<I", 2**32 - 1) + b"{}"
        for fd in range(3, 256):
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, answer)
            except OSError:
                continue
        os._exit(0)
