"""The cap on a whole process tree. The files of a cgroup are ordinary ones here: no kernel stands behind them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lnbench.poison import memory

GIB = 1 << 30


def tree(root: Path, controllers: str) -> Path:
    """A session's group inside a slice that delegates some controllers."""
    own = root / "user.slice" / "session.scope"
    own.mkdir(parents=True)
    (own / "cgroup.subtree_control").write_text("")
    (own.parent / "cgroup.subtree_control").write_text(controllers)
    return own


def test_a_group_beside_the_own(tmp_path: Path) -> None:
    own = tree(tmp_path, "cpu memory pids")
    group = memory.Group.make(GIB, 70, "/user.slice/session.scope", tmp_path)
    assert group is not None and group.folder.parent == own.parent
    assert (group.folder / "memory.max").read_text() == str(GIB)
    assert (group.folder / "memory.swap.max").read_text() == "0"
    assert (group.folder / "pids.max").read_text() == "70"
    assert group.add(123) and (group.folder / "cgroup.procs").read_text() == "123"
    assert not group.exhausted()
    (group.folder / "memory.events").write_text("low 0\nmax 9\noom 1\noom_kill 0\n")
    assert not group.exhausted()
    (group.folder / "memory.events").write_text("low 0\nmax 9\noom 1\noom_kill 2\n")
    assert group.exhausted()


def test_no_group_without_delegation(tmp_path: Path) -> None:
    tree(tmp_path, "cpu pids")
    assert memory.Group.make(GIB, 70, "/user.slice/session.scope", tmp_path) is None
    assert memory.Group.make(GIB, 70, "/", tmp_path) is None
    assert memory.Group.make(GIB, 70, "/no/such.scope", tmp_path) is None
    assert [p.name for p in (tmp_path / "user.slice").iterdir() if p.name.startswith("lnbench")] == []


def test_nothing_above_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "cgroup.subtree_control").write_text("memory")
    assert memory.Group.make(GIB, 70, "/", root) is None


@contextlib.contextmanager
def _ready(code: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs some code, from when it says `ready`; killed at the end with its whole group."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_the_tree_is_counted_once() -> None:
    """A parent that holds 64 MiB, three children that share it: 64 MiB, not 256."""
    code = (
        "import os, time\n"
        "held = bytearray(b'x') * (64 << 20)\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n"
        "        time.sleep(60); os._exit(0)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    with _ready(code) as process:
        assert len(memory.descendants(process.pid)) == 4
        assert 60 << 20 < memory.held(process.pid) < 120 << 20
        assert memory.exceeds(process.pid, 60 << 20) and not memory.exceeds(process.pid, 120 << 20)
    assert memory.held(process.pid) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_orphans_are_counted_by_their_group() -> None:
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    if os.fork() == 0:\n"
        "        held = bytearray(b'x') * (64 << 20)\n"
        "        print('ready', flush=True); time.sleep(60)\n"
        "    os._exit(0)\n"
        "os.wait(); time.sleep(60)\n"
    )
    with _ready(code) as process:
        limit = time.monotonic() + 20  # the middle one is on its way out
        while len(found := memory.members(process.pid)) != 2 and time.monotonic() < limit:
            time.sleep(0.01)
        assert len(found) == 2 and process.pid in found
        assert not memory.exceeds(process.pid, 60 << 20) and memory.exceeds(process.pid, 60 << 20, group=True)
