"""How much memory pushing and pulling 40,000 of CIFAR-10's images a split takes above the interpreter, in MiB.

Usage: python tests/hub/memory.py FOLDER [--images]

The images are noise, which is the worst case for a PNG. The data source is put beside lnbench's own by an import hook
in the processes that are measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

SOURCE = """
import numpy as np
from lnbench.data import Split

FIXED_TEST_SET = True

def load(spec, split, streams):
    rng = np.random.default_rng(7)
    base = rng.integers(0, 256, (60_000, 3, 32, 32), dtype=np.uint8)
    labels = rng.integers(0, 10, 60_000)
    index = streams.permutation(50_000, "split", split)[: spec.train]
    inputs = base[index].astype(np.float32)
    inputs /= 255
    tests = base[50_000:].astype(np.float32)
    tests /= 255
    return Split(inputs, labels[index], tests, labels[50_000:], index)
"""

HOOK = """
import importlib.abc, importlib.util, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "lnbench.data.noise":
            return importlib.util.spec_from_file_location(name, {source!r})

sys.meta_path.insert(0, Finder())
"""

MEASURED = """
import json, resource, sys
import numpy, pyarrow.parquet, PIL.Image, huggingface_hub, yaml, lnbench.hub.pushing, lnbench.hub.pulling

def peak(whose):
    return resource.getrusage(whose).ru_maxrss / 1024

before = peak(resource.RUSAGE_SELF)
"""

PUSH = """
import factories
from lnbench import record
from lnbench.hub import push
push(record.read(sys.argv[1]), "somebody/noise", images=sys.argv[2] == "images")
print(json.dumps({"push": round(peak(resource.RUSAGE_SELF) - before)}))
"""

PULL = """
lnbench.hub.pulling.judge_track = lambda track: None
lnbench.hub.pulling.pull("somebody/noise")
print(json.dumps({"pull": round(peak(resource.RUSAGE_SELF) - before),
                  "pull's worker": round(peak(resource.RUSAGE_CHILDREN) - before)}))
"""

MAKE = """
import sys
import factories
from lnbench import record
data = {"source": "noise", "train": 40000, "classes": 10}
noise = {"budget": 200, "eta": 0.005, "pairs": [[9, 0]]}
replication = {"splits": 2, "seeds": 1, "quick_splits": 2, "quick_seeds": 1}
track = factories.track(name="noise", data=data, noise=noise, replication=replication)
record.write(factories.make(track), sys.argv[1])
"""


def main() -> None:
    """Measure, and print one JSON object last."""
    tests = Path(__file__).resolve().parents[1]
    sys.path.insert(0, str(tests))
    import loopback

    folder, images = Path(sys.argv[1]), "images" if "--images" in sys.argv else "labels"
    (folder / "noise.py").write_text(SOURCE)
    (folder / "sitecustomize.py").write_text(HOOK.format(source=str(folder / "noise.py")))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "LNBENCH_"))}
    with loopback.serving() as hub:
        env = kept | {
            "PYTHONPATH": os.pathsep.join([str(folder), str(tests), str(tests.parent)]),
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(folder / "hf"),
            "HF_TOKEN": loopback.TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "LNBENCH_CACHE": str(folder / "cache"),
        }

        def run(code: str, *args: str) -> str:
            done = subprocess.run([sys.executable, "-c", code, *args], env=env, stdout=subprocess.PIPE, text=True)
            if done.returncode:
                sys.exit(done.returncode)
            return done.stdout

        path = str(folder / "record.json")
        run(MAKE, path)
        found = json.loads(run(MEASURED + PUSH, path, images).splitlines()[-1])
        found |= json.loads(run(MEASURED + PULL).splitlines()[-1])
        print({path: len(data) for path, data in hub.repos["somebody/noise"].files.items()}, file=sys.stderr)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
