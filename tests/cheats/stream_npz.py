"""Cheat: write the bytes of an .npz file, which np.load would open as an archive.

Verdict: SubmissionError: stream_npz.py: expected the answer that lnbench's guest writes, got something else (it is
    of no known kind); return the labels from poison() and write to no descriptor that you did not open.
"""

import io
import os
import stat

import numpy as np

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        file = io.BytesIO()
        np.savez(file, labels=problem.labels)
        answer = file.getvalue()
        for fd in range(3, 256):
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, answer)
            except OSError:
                continue
        os._exit(0)
