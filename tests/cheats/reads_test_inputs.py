"""Cheat: read the digits that come with scikit-learn, half of which are this split's test inputs.

Modes: bubblewrap
Verdict: harmless
Unboxed: escaped: ['digits']
"""

import contextlib
import sys
from pathlib import Path

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        escaped = []
        for folder in map(Path, [*sys.path, "/usr/lib/python3/dist-packages"]):
            with contextlib.suppress(OSError):
                (folder / "sklearn/datasets/data/digits.csv.gz").read_bytes()
                escaped.append("digits")
        if escaped:
            raise RuntimeError(f"escaped: {escaped}")
        return problem.flipped(problem.eligible[: problem.budget])
