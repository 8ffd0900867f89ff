"""Cheat: an answer that breaks off after half of its labels.

Verdict: SubmissionError: stream_too_few.py: expected 60 labels and the count of trainings, 488 bytes, but 240 bytes
    came; return one label for each point and leave the result pipe to lnbench.
"""

import os
import stat

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        answer = b"L" + problem.labels.tobytes()[:240]
        for fd in range(3, 256):
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, answer)
            except OSError:
                continue
        os._exit(0)
