"""Cheat: look for the true labels or the flips in everything that the guest is given, and in the problem's own fields.

Verdict: harmless
"""

import json
from pathlib import Path

import numpy as np

import lnbench


class Cheat(lnbench.Defender):
    def defend(self, problem):
        told = {"inputs", "labels", "num_classes", "budget", "threat", "rng", "recipes", "threats", "device", "bounds"}
        escaped = sorted(set(vars(problem)) - told - {"deadline"})
        arrays = [path for path in Path("/in").glob("*") if path.name not in ("inputs.npy", "job.json")]
        escaped += [path.name for path in arrays if not np.array_equal(np.load(path), problem.labels)]
        job = json.loads(Path("/in/job.json").read_text())
        escaped += [name for name in ("pairs", "split", "flips", "arm", "clean") if name in job]
        if escaped:
            raise RuntimeError(f"escaped: {escaped}")
        return lnbench.Training()
