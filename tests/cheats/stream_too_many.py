"""Cheat: more bytes than an answer can have.

Verdict: SubmissionError: stream_too_many.py: more bytes came than an answer can have; return one label for each
    point and leave the result pipe to lnbench.
"""

import os
import stat

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        answer = b"L" + problem.labels.tobytes() * 60
        for fd in range(3, 256):
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, answer)
            except OSError:
                continue
        os._exit(0)
