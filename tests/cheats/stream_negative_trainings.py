"""Cheat: an answer that claims to have trained fewer than no victims.

Verdict: SubmissionError: stream_negative_trainings.py: expected the victim trainings spent to be between 0 and
    1000000000, got -1; leave the count to lnbench.surrogates.
"""

import os
import stat

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        answer = b"L" + problem.labels.tobytes() + b"\xff" * 8
        for fd in range(3, 256):
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, answer)
            except OSError:
                continue
        os._exit(0)
