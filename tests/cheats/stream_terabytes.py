"""Cheat: a .npy header that asks the reader to allocate terabytes.

Verdict: SubmissionError: stream_terabytes.py: expected the answer that lnbench's guest writes, got something else
    (it is of no known kind); return the labels from poison() and write to no descriptor that you did not open.
"""

import os
import stat
import struct

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        header = b"{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000000,), }"
        answer = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
        for fd in range(3, 256):
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, answer)
            except OSError:
                continue
        os._exit(0)
