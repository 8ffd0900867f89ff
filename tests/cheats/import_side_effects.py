"""Cheat: do its work while it is being imported: write, and leave a thread and a process behind.

Modes: bubblewrap
Verdict: harmless
Unboxed: escaped: ['canary', 'process']
"""

import os
import threading
import time

import lnbench

REACHED = []


class Cheat(lnbench.Poisoner):
    canary: str = ""

    def poison(self, problem):
        escaped = list(REACHED)
        try:
            with open(self.canary, "r+b") as file:
                file.read(1)
            escaped.append("canary")
        except OSError:
            pass
        try:
            os.kill(CHILD, 0)
            if CHILD > 64:  # a number of the machine's own
                escaped.append("process")
        except OSError:
            pass
        if escaped:
            raise RuntimeError(f"escaped: {escaped}")
        return problem.flipped(problem.eligible[: problem.budget])


for folder in ("/in", "/referee/lnbench", "/submission", "/usr/lib"):
    if os.path.isdir("/referee"):
        try:
            os.close(os.open(f"{folder}/imported", os.O_CREAT | os.O_WRONLY, 0o600))
            REACHED.append(folder)
        except OSError:
            pass
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
CHILD = os.fork()
if CHILD == 0:
    time.sleep(60)
    os._exit(0)
