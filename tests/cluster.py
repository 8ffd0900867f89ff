"""Ray clusters of processes on this machine: a head and nodes, each of which can be killed by its process's number."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TOKEN = secrets.token_hex(32)
"""Ray's clusters of these tests ask for it; without one Ray would write one into the home folder."""
OBJECTS = 80 << 20


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def variables(**more: str) -> dict[str, str]:
    """The environment of a cluster's processes, and of those that use it."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests"), str(ROOT / "tests" / "evaluation")])
    own = {"PYTHONPATH": path, "RAY_AUTH_TOKEN": TOKEN, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token"}
    return {**os.environ, **own, **more}


class Cluster:
    """A head with no processors for cells, and nodes with some, on 127.0.0.1.

    Attributes:
        address: for `--address`.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))  # sockets have short paths
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self._said: dict[int, Path] = {}

    def head(self, cpus: int = 0) -> subprocess.Popen[bytes]:
        """Start the head, and wait until it listens."""
        options = ["--head", f"--port={self.port}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
        process = self._start([*options, f"--num-cpus={cpus}"])
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return process
            time.sleep(0.2)
        raise RuntimeError("the head of a Ray cluster does not come up")

    def node(self, cpus: int = 1, **environ: str) -> subprocess.Popen[bytes]:
        """Start a node, and wait until it belongs to the cluster; where Ray gives up, the machine being busy, again."""
        for _ in range(4):
            process = self._start([f"--address={self.address}", f"--num-cpus={cpus}"], **environ)
            if self._up(process):
                return process
            kill_tree(process)
            self.processes.remove(process)
        raise RuntimeError("a node of a Ray cluster does not come up")

    def _up(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether a start says that it is done before it ends."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and process.poll() is None:
            if b"Ray runtime started" in self._said[process.pid].read_bytes():
                return bool(self.raylet(process))
            time.sleep(0.2)
        return False

    def raylet(self, of: subprocess.Popen[bytes]) -> int:
        """The process number of a node's raylet; 0 if it is gone."""
        return next((pid for pid in _below(of.pid) if "/raylet/raylet" in _words(pid).split(" ")[0]), 0)

    def workers(self, of: subprocess.Popen[bytes]) -> list[int]:
        """Ray workers of a node, and the processes that they ask."""
        said = {pid: _words(pid) for pid in _below(of.pid)}
        return [
            pid
            for pid, words in said.items()  # without Ray's agents: a raylet ends when one of them does
            if (words.startswith("ray::") and "Agent" not in words) or "engine.worker" in words
        ]

    def _start(self, options: list[str], **environ: str) -> subprocess.Popen[bytes]:
        common = ["--block", f"--object-store-memory={OBJECTS}", "--disable-usage-stats"]
        said = self.folder / f"{len(self._said)}.said"
        with said.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "ray.scripts.scripts", "start", *options, *common],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=variables(**environ),
                start_new_session=True,
            )
        self._said[process.pid] = said
        self.processes.append(process)
        return process

    def stop(self) -> None:
        """Kill every process that was started here, and all below them."""
        for process in reversed(self.processes):
            kill_tree(process)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def running(cpus: tuple[int, ...] = (1,), **environ: str) -> Iterator[Cluster]:
    """A head, and nodes with so many processors."""
    cluster = Cluster()
    try:
        cluster.head()
        for count in cpus:
            cluster.node(count, **environ)
        yield cluster
    finally:
        cluster.stop()


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all below it."""
    for pid in [*_below(process.pid), process.pid]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _below(top: int) -> list[int]:
    """Living processes below one."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            state, parent = entry.read_text(errors="replace").rpartition(")")[2].split()[:2]
            if state != "Z":
                parents.setdefault(int(parent), []).append(int(entry.parts[2]))
    found, todo = [], [top]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def _words(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""
