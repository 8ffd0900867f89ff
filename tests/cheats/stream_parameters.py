"""Cheat: a header with parameters that would break a table.

Verdict: SubmissionError: stream_parameters.py: expected the answer that lnbench's guest writes, got something else
    (a parameter's name is no ASCII identifier); return the labels from poison() and write to no descriptor that you
    did not open.
"""

import os
import stat
import struct

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        header = b'{"parameters": {"a|b<script>": 1}}'
        answer = b"L" + struct.pack("<I", len(header)) + header + problem.labels.tobytes() + bytes(8)
        for fd in range(3, 256):
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, answer)
            except OSError:
                continue
        os._exit(0)
