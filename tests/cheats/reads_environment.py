"""Cheat: look for tokens in the environment of any process it can see.

Modes: bubblewrap
Verdict: harmless
Unboxed: escaped: ['environ of the referee']
"""

import os
from pathlib import Path

import lnbench


class Cheat(lnbench.Poisoner):
    secret: str = ""
    referee: int = 0

    def poison(self, problem):
        escaped = [name for name, value in os.environ.items() if self.secret in value]
        for entry in Path("/proc").glob("[0-9]*/environ"):
            try:
                if self.secret.encode() in entry.read_bytes():
                    referee = entry.parts[2] == str(self.referee)
                    escaped.append("environ of the referee" if referee else f"environ of {entry.parts[2]}")
            except OSError:
                continue
        if escaped:
            raise RuntimeError(f"escaped: {escaped}")
        return problem.flipped(problem.eligible[: problem.budget])
