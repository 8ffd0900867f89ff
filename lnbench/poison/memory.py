"""A cap on the memory of a guest's whole process tree: a cgroup where one can be had, else a watch from outside.

`RLIMIT_AS` binds one process; sixty of them may hold sixty times as much.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
FILE_BYTES = 1024
"""Of an empty file on a memory disk: its inode and its name."""


class Group:
    """A version 2 control group for one guest; see `make`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def make(cls, memory_bytes: int, processes: int, own: str | None = None, root: Path = CGROUPS) -> Group | None:
        """A fresh group beside or below this process's own that holds at most `memory_bytes`, or None.

        Args:
            own: this process's group as in /proc/self/cgroup, for example `/user.slice/a.scope`; read there if None.
        """
        own = _own_group() if own is None else own
        if own is None:
            return None
        here = root / own.lstrip("/")
        for parent in (here, here.parent):
            if not parent.is_relative_to(root):
                continue
            with contextlib.suppress(OSError):
                controllers = (parent / "cgroup.subtree_control").read_text().split()
                if "memory" not in controllers:
                    continue
                group = cls(parent / f"lnbench-{secrets.token_hex(8)}")
                group.folder.mkdir()
                try:
                    (group.folder / "memory.max").write_text(str(memory_bytes))
                    with contextlib.suppress(OSError):  # a kernel without swap accounting
                        (group.folder / "memory.swap.max").write_text("0")
                    with contextlib.suppress(OSError):
                        (group.folder / "memory.oom.group").write_text("1")
                    if "pids" in controllers:
                        (group.folder / "pids.max").write_text(str(processes))
                    return group
                except OSError:
                    group.remove()
        return None

    def add(self, pid: int) -> bool:
        """Put a process, and all it will start, into the group; False if the kernel refuses."""
        try:
            (self.folder / "cgroup.procs").write_text(str(pid))
        except OSError:
            return False
        return True

    def exhausted(self) -> bool:
        """Whether the kernel has killed a process of the group for want of memory."""
        with contextlib.suppress(OSError, ValueError):
            events = dict(line.split() for line in (self.folder / "memory.events").read_text().splitlines())
            return int(events.get("oom_kill", 0)) > 0
        return False

    def remove(self) -> None:
        """Delete the group, killing what is left in it."""
        with contextlib.suppress(OSError):
            (self.folder / "cgroup.kill").write_text("1")
        for _ in range(100):
            try:
                self.folder.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.01)


def held(pid: int, *, group: bool = False) -> int:
    """Bytes of memory that a process and all its descendants hold, shared pages counted once; 0 if it has ended.

    Args:
        group: count the process group of this number as well: without a namespace of its own an orphan is nobody's
            descendant, but it cannot leave the group.
    """
    return sum(_proportional(p) for p in _tree(pid, group))


def exceeds(pid: int, limit: int, *, group: bool = False) -> bool:
    """Whether these processes hold more than `limit` bytes, see `held`; cheap while they hold far less."""
    return sum(_resident(p) for p in _tree(pid, group)) > limit and held(pid, group=group) > limit


def of_files(pid: int) -> int:
    """Bytes that the kernel holds of the files on a boxed guest's memory disks beyond what is in them, about.

    Names and inodes count for no size of a disk and belong to no process: three million empty files cost gigabytes.

    Args:
        pid: the first process of the box; 0 comes back if nobody in its tree can be looked into.
    """
    for one in descendants(pid):
        with contextlib.suppress(OSError):
            disks = [os.statvfs(f"/proc/{one}/root/{folder}") for folder in ("tmp", "dev/shm")]
            return FILE_BYTES * sum(disk.f_files - disk.f_ffree for disk in disks)
    return 0


def descendants(pid: int) -> list[int]:
    """A process and all processes below it, as far as /proc tells."""
    tree, queue = [pid], [pid]
    while queue:
        parent = queue.pop()
        try:
            threads = os.listdir(f"/proc/{parent}/task")
        except OSError:
            continue
        for thread in threads:
            with contextlib.suppress(OSError, ValueError):
                children = [int(c) for c in Path(f"/proc/{parent}/task/{thread}/children").read_text().split()]
                tree += children
                queue += children
    return tree


def members(group: int) -> list[int]:
    """The processes of a process group that have not ended."""
    pids = (int(entry) for entry in os.listdir("/proc") if entry.isdigit())
    return [pid for pid in pids if _group_of(pid) == group]


def alive(pid: int) -> bool:
    """Whether a process has not ended; one that only waits for its parent has."""
    return _group_of(pid) is not None


def _group_of(pid: int) -> int | None:
    """The process group of a process, None if it has ended."""
    with contextlib.suppress(OSError, ValueError):
        state, _, group = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[:3]
        return None if state in "ZX" else int(group)
    return None


def _tree(pid: int, group: bool) -> set[int]:
    return {*descendants(pid), *(members(pid) if group else ())}


def _own_group() -> str | None:
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                return line[3:]
    return None


def _resident(pid: int) -> int:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _proportional(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) << 10
    return _resident(pid)
