"""Cheat: an answer of its own, past the guest's checks, over budget by one.

Verdict: SubmissionError: stream_over_budget.py: expected at most 3 changed labels, got 4; change no more than
    problem.budget.
"""

import os
import stat

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        labels = problem.flipped(problem.eligible[: problem.budget + 1])
        answer = b"L" + labels.tobytes() + bytes(8)
        for fd in range(3, 256):
            try:
                if stat.S_ISFIFO(os.fstat(fd).st_mode):
                    os.write(fd, answer)
            except OSError:
                continue
        os._exit(0)
