"""How much memory `lnbench push` and `pull` of CIFAR-10 take above a bare interpreter, in MiB.

Usage: python tests/hub/memory.py FOLDER [--labels | --pictures]

All 50,000 + 10,000 images, in files like CIFAR-10's whose sums take the place of the real ones in the processes that
are measured. The images are noise, the worst case for a PNG; with --pictures those of the track cifar10jpeg-9to0, and
with --labels two splits are pushed without any. Each figure is the peak of a process's resident memory; `pull with its
worker` is the sum of two peaks, which bounds what both take at once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

REPO = "somebody/cifar"
SUMS = """
import atexit, json, os, re, resource, sys
from lnbench.data import cifar10

sums = json.load(open({sums!r}))
cifar10._TEST = {{"test_batch": sums.pop("test_batch")}}
cifar10._TRAIN = sums

@atexit.register
def tell():
    peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    json.dump([peak / 1024, children / 1024], open({told!r}, "w"))
"""
MAKE = """
import sys
import factories
from lnbench import record
data = {"source": "cifar10", "train": 50000, "classes": 10}
noise = {"budget": 200, "eta": 0.004, "pairs": [[9, 0]]}
replication = {"splits": 2, "seeds": 1, "quick_splits": 2, "quick_seeds": 1}
track = factories.track(name="cifar-whole", data=data, noise=noise, replication=replication)
record.write(factories.make(track), sys.argv[1])
"""
BARE = "import re; print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"


def images(pictures: bool) -> tuple[np.ndarray, np.ndarray]:
    """60,000 images (n, 3072) uint8 and labels (n,), the test points last."""
    if not pictures:
        rng = np.random.default_rng(7)
        return rng.integers(0, 256, (60_000, 3072), dtype=np.uint8), rng.integers(0, 10, 60_000)
    from lnbench.data import parquet
    from lnbench.protocol import track

    spec = track.load("cifar10jpeg-9to0").data
    where, folder = spec.parquet, parquet.local_folder(spec)
    assert where is not None and folder is not None
    parts = [
        parquet._part(folder, where, *part)
        for part in ((where.train, where.train_sha256), (where.test, where.test_sha256))
    ]
    pixels, labels = (np.concatenate([part[i] for part in parts]) for i in range(2))
    return pixels.reshape(len(pixels), -1), labels


def write(folder: Path, pictures: bool) -> dict[str, str]:
    """Write the six files; their sums."""
    import batches

    pixels, labels = images(pictures)
    folder.mkdir(parents=True)
    names = (*batches.TRAIN, *batches.TEST)
    parts = [slice(start, start + 10_000) for start in range(0, 60_000, 10_000)]
    return {name: batches.write(folder, name, pixels[p], labels[p]) for name, p in zip(names, parts, strict=True)}


def main() -> None:
    """Measure, and print one JSON object last."""
    tests = Path(__file__).resolve().parents[1]
    sys.path[:0] = [str(tests), str(tests.parent)]
    import loopback

    folder, told = Path(sys.argv[1]), Path(sys.argv[1]) / "told.json"
    labels = "--labels" in sys.argv
    (folder / "sums.json").write_text(
        json.dumps(write(folder / "data" / "cifar-10-batches-py", "--pictures" in sys.argv))
    )
    (folder / "sitecustomize.py").write_text(SUMS.format(sums=str(folder / "sums.json"), told=str(told)))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "LNBENCH_"))}
    bare = (
        int(subprocess.run([sys.executable, "-P", "-c", BARE], env=kept, stdout=subprocess.PIPE, check=True).stdout)
        / 1024
    )
    with loopback.serving() as hub:
        env = kept | {
            "PYTHONPATH": os.pathsep.join([str(folder), str(tests), str(tests.parent)]),
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(folder / "hf"),
            "HF_TOKEN": loopback.TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "LNBENCH_CACHE": str(folder / "cache"),
            "LNBENCH_DATA": str(folder / "data"),
        }

        def peaks(*args: Any) -> tuple[float, float]:
            """Of a process and of the largest of its children, above the interpreter."""
            done = subprocess.run([sys.executable, "-P", *map(str, args)], env=env, stdout=sys.stderr)
            if done.returncode:
                sys.exit(done.returncode)
            own, child = json.loads(told.read_text())
            return own - bare, child - bare

        path = folder / "record.json"
        peaks("-c", MAKE, path)
        how = ["--labels-only"] if labels else ["--images", "--split", "0"]
        push, _ = peaks("-m", "lnbench", "push", path, "--repo", REPO, *how)
        pull, worker = peaks("-m", "lnbench", "pull", REPO)
        sizes = {name: len(data) for name, data in hub.repos[REPO].files.items() if name.endswith(".parquet")}
    found = {"push": push, "pull": pull, "pull's worker": worker, "pull with its worker": pull + worker}
    print(json.dumps({name: round(mebibytes) for name, mebibytes in found.items()} | {"bytes": sizes}))


if __name__ == "__main__":
    main()
