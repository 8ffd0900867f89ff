"""Cheat: fill the disk; its own is a small one in memory.

Modes: bubblewrap
Verdict: harmless
"""

import os

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        escaped = []
        for folder, most in (("/tmp", 8 << 20), ("/dev/shm", 64 << 20)):
            written = 0
            try:
                for i in range(200):
                    with open(f"{folder}/{i}", "wb") as file:
                        written += file.write(bytes(1 << 20))
            except OSError:
                pass
            for name in os.listdir(folder):
                if name.isdigit():
                    os.remove(f"{folder}/{name}")
            if not 0 < written <= most:
                escaped.append(f"{folder}: {written >> 20} MiB")
        if escaped:
            raise RuntimeError(f"escaped: {escaped}")
        return problem.flipped(problem.eligible[: problem.budget])
