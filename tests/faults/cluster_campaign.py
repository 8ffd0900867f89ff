"""Kills on a cluster: `python -P tests/faults/cluster_campaign.py [--kills 30,8,8,4,2]`, some minutes.

A head and two nodes of Ray run on this machine, and an S3 server. Evaluations of a tiny track run on them while
workers, raylets, drivers and heads are killed at random moments, and the store is out for half a minute. A disturbed
evaluation must end well or in one sentence; the same command must then give the undisturbed record; and of the cells,
no more may be computed twice than were at work when something was killed. Ends with 1 if anything was lost or computed
in vain.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

import cluster as ray_cluster  # noqa: E402
import outage  # noqa: E402
import tiny  # noqa: E402
from lnbench import record  # noqa: E402

KINDS = ("worker", "raylet", "driver", "head", "store")
NODES = 2
OUTAGE = 30.0
PATIENCE = 600.0


@dataclass
class Tally:
    """What came of one kind."""

    kills: int = 0
    runs: int = 0
    lost: int = 0
    again: int = 0
    allowed: int = 0
    endings: dict[int, int] = field(default_factory=dict)
    stories: list[str] = field(default_factory=list)

    @property
    def line(self) -> str:
        """For people."""
        codes = ", ".join(f"{code}: {count}" for code, count in sorted(self.endings.items()))
        return f"{self.kills:>5} {self.runs:>5} {self.lost:>5} {self.again:>9} {self.allowed:>9}  {codes}"


class Lab:
    """A cluster, a store, and a track whose cells are counted.

    Args:
        splits: of the track: three cells for each.
    """

    def __init__(self, folder: Path, aws: dict[str, str], door: outage.Door, rng: random.Random, splits: int) -> None:
        self.folder, self.aws, self.door, self.rng = folder, aws, door, rng
        keys = tiny.document()
        keys["replication"] = {"splits": splits, "seeds": 1, "quick_splits": 2, "quick_seeds": 1}
        keys["victims"][0] |= {"stack": 1, "options": {"width": 4, "depth": 1}}
        keys["victims"][0]["recipe"]["steps"] = 5
        keys["limits"]["seconds"] = 600
        self.cells = 3 * splits
        self.track = tiny.write(folder / "tiny.toml", keys)
        self.submission = folder / "first.py"
        self.submission.write_text(tiny.POISONER, encoding="utf-8")
        (folder / "counted").mkdir()
        self.path = os.pathsep.join([ray_cluster.variables()["PYTHONPATH"], str(folder / "counted")])
        self.number = 0
        self.cluster: ray_cluster.Cluster | None = None
        self.nodes: list[subprocess.Popen[bytes]] = []

    def raise_cluster(self) -> ray_cluster.Cluster:
        """The cluster with all its nodes; those that are missing are started, and waited for."""
        if self.cluster is None:
            self.cluster = ray_cluster.Cluster()
            self.cluster.head()
            self.nodes = []
        made = self.cluster
        self.nodes = [node for node in self.nodes if node.poll() is None and made.raylet(node)]
        while len(self.nodes) < NODES:
            self.nodes.append(made.node(1, PYTHONPATH=self.path))
        deadline = time.monotonic() + 180
        while not all(made.raylet(node) for node in self.nodes) and time.monotonic() < deadline:
            time.sleep(0.2)
        return made

    def drop_cluster(self) -> None:
        """Kill all of it."""
        if self.cluster is not None:
            self.cluster.stop()
        self.cluster = None

    def start(self, name: str, *, engine: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        """An evaluation on the store of this name; what it says goes to `said`."""
        out = self.folder / name
        out.mkdir(exist_ok=True)
        options = ["--track", str(self.track), "--out", str(out / "out"), "--store", f"s3://lab/{name}", *engine]
        environ = ray_cluster.variables(**self.aws, LNBENCH_CACHE=str(out / "cache"), LNBENCH_STORE_PATIENCE="120")
        environ["PYTHONPATH"] = self.path
        with (out / "said").open("ab") as said:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    str(ROOT / "tests" / "faults" / "counted_cells.py"),
                    "evaluate",
                    str(self.submission),
                    *options,
                ],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )

    def on_ray(self) -> tuple[str, ...]:
        """Options that lead to the cluster."""
        return ("--engine", "ray", "--address", self.raise_cluster().address)

    def count(self, what: str) -> int:
        """Cells that `began` or `ended` so far, every time counted."""
        return sum(json.loads(line)[0] == what for line in self.log())

    def at_work(self) -> int:
        """Cells that began and have not ended, by the processes that live."""
        open_: dict[int, str] = {}
        for line in self.log():
            what, key, pid, _ = json.loads(line)
            if what == "began":
                open_[pid] = key
            else:
                open_.pop(pid, None)
        return sum(Path(f"/proc/{pid}").exists() for pid in open_)

    def log(self) -> list[str]:
        """Lines of the cells' log."""
        path = self.folder / "counted" / "log"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def record_of(self, name: str) -> str:
        """The hash of the record that a run wrote, and nothing if it wrote none."""
        found = list((self.folder / name / "out").glob("*.json"))
        return record.read(found[0]).sha256 if found else ""


def strike(lab: Lab, kind: str, driver: subprocess.Popen[bytes]) -> bool:
    """Do one harm; whether there was something to harm."""
    made = lab.cluster
    assert made is not None
    if kind == "driver":
        driver.kill()
        return True
    if kind == "head":
        ray_cluster.kill_tree(made.processes[0])
        return True
    if kind == "store":
        threading.Thread(target=lab.door.shut, args=(OUTAGE,)).start()
        return True
    node = lab.rng.choice(lab.nodes)
    if kind == "raylet":
        if pid := made.raylet(node):
            os.kill(pid, signal.SIGKILL)
        return bool(pid)
    some = made.workers(node)
    if some:
        with contextlib.suppress(ProcessLookupError):
            os.kill(lab.rng.choice(some), signal.SIGKILL)
    return bool(some)


def campaign(lab: Lab, kind: str, kills: int, reference: str) -> Tally:
    """So many kills of one kind, over as many evaluations as that takes."""
    tally = Tally()
    while tally.kills < kills:
        lab.number += 1
        name, begun = f"{kind}-{lab.number}", lab.count("began")
        tally.runs += 1
        while True:  # the same command, until it comes through
            driver = lab.start(name, engine=lab.on_ray())
            before, deadline = lab.count("began"), time.monotonic() + PATIENCE
            while driver.poll() is None and lab.count("began") == before and time.monotonic() < deadline:
                time.sleep(0.1)
            while driver.poll() is None and tally.kills < kills and time.monotonic() < deadline:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    driver.wait(lab.rng.uniform(0.3, 4.0))
                    break
                at_work = lab.at_work()
                if strike(lab, kind, driver):
                    tally.kills += 1
                    # A killed worker takes its own cell along; the others take what was at work, and a result each
                    # that was on its way to the store.
                    tally.allowed += 1 if kind == "worker" else 0 if kind == "store" else max(at_work, 1) + NODES
                if kind != "worker":
                    break
                ended = lab.count("ended")  # a worker takes seconds to start, and a cell is to end between two kills
                while driver.poll() is None and lab.count("ended") == ended and time.monotonic() < deadline:
                    time.sleep(0.1)
            try:
                code = driver.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                driver.kill()
                code = driver.wait()
                tally.lost += 1
                tally.stories.append(f"{name} hangs")
            tally.endings[code] = tally.endings.get(code, 0) + 1
            print(
                f"{time.strftime('%H:%M:%S')} {name} ended with {code} after {tally.kills} kills",
                file=sys.stderr,
                flush=True,
            )
            said = (lab.folder / name / "said").read_text(encoding="utf-8", errors="replace")
            if code == 0:
                break
            if kind == "head" or (lab.cluster is not None and lab.cluster.processes[0].poll() is not None):
                lab.drop_cluster()
            if code != -signal.SIGKILL and (code != 3 or "error: " not in said):
                tally.lost += 1
                tally.stories.append(f"{name} ended with {code}: {said[-400:]}")
                break
        if lab.record_of(name) != reference:
            tally.lost += 1
            tally.stories.append(f"{name} gives another record")
        tally.again += lab.count("began") - begun - lab.cells
        shutil.rmtree(lab.folder / name, ignore_errors=True)
        if kind == "head" and lab.cluster is not None and lab.cluster.processes[0].poll() is not None:
            lab.drop_cluster()
    return tally


def main() -> int:
    """The campaign as the command line asks for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", default="30,8,8,4,2", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--splits", type=int, default=12, help="of the track; three cells each")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    given = parser.parse_args()
    wanted = dict(zip(KINDS, map(int, given.kills.split(",")), strict=True))
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, outage.s3() as (aws, door):
        lab = Lab(Path(folder), aws, door, random.Random(given.seed), given.splits)
        try:
            alone = lab.start("local", engine=("--workers", "1"))
            assert alone.wait(PATIENCE) == 0, (lab.folder / "local" / "said").read_text()
            reference = lab.record_of("local")
            print(f"undisturbed, local engine: record {reference[:8]}, {lab.cells} cells", flush=True)
            print(
                f"{'killed':<8} {'kills':>5} {'runs':>5} {'lost':>5} {'repeated':>9} {'at work':>9}  exit codes",
                flush=True,
            )
            tallies = {}
            for kind, kills in wanted.items():
                tallies[kind] = campaign(lab, kind, kills, reference)
                print(f"{kind:<8} {tallies[kind].line}", flush=True)
                for story in tallies[kind].stories:
                    print(f"    {' '.join(story.split())}", flush=True)
        finally:
            lab.drop_cluster()
    total = sum(t.kills for t in tallies.values())
    bad = [kind for kind, t in tallies.items() if t.lost or t.again > t.allowed]
    print(f"all: {total} kills, {sum(t.lost for t in tallies.values())} lost")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
