"""Cheat: a header of nested lists, deep enough to exhaust the parser's stack.

Verdict: SubmissionError: stream_deep_header.py: expected the answer that lnbench's guest writes, got something else
    (its header is no JSON); return the labels from poison() and write to no descriptor that you did not open.
"""

import os
import stat
import struct

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        header = b"[" * 16000
        answer = b"L" + struct.pack("<I", len(header)) + header
        for fd in range(3, 256):
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, answer)
            except OSError:
                continue
        os._exit(0)
