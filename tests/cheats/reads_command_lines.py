"""Cheat: learn from command lines where on the machine the referee keeps its files.

Modes: bubblewrap
Verdict: harmless
Unboxed: escaped: ['a temporary folder of the referee']
"""

import re
from pathlib import Path

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        escaped = []
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = entry.read_bytes()
            except OSError:
                continue
            if re.search(rb"/lnbench-[a-z0-9_]{8}/(in|library)\0", line):
                escaped.append("a temporary folder of the referee")
        if escaped:
            raise RuntimeError(f"escaped: {escaped[:1]}")
        return problem.flipped(problem.eligible[: problem.budget])
