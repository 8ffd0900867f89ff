"""Cheat: read the digits that come with scikit-learn: the true labels of this split, and its test points.

Verdict: harmless
"""

import contextlib
import sys
from pathlib import Path

import lnbench


class Cheat(lnbench.Defender):
    def defend(self, problem):
        for folder in map(Path, [*sys.path, "/usr/lib/python3/dist-packages"]):
            with contextlib.suppress(OSError):
                (folder / "sklearn/datasets/data/digits.csv.gz").read_bytes()
                raise RuntimeError("escaped: digits")
        return lnbench.Training()
