"""The weaker sandbox, for Linux without user namespaces: Landlock for files, seccomp for all else, by ctypes.

The guest's process enters it by itself, before the submission is loaded. It is weaker than bubblewrap: other processes
and the names of files can be seen, and temporary files lie on the machine's own disk, bounded only one by one.
"""

from __future__ import annotations

import ctypes
import json
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

from lnbench.poison import seccomp

OLDEST = 3
"""The first version that knows truncation; before, a guest could empty the user's files."""

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446  # on every architecture
_SET_DUMPABLE, _SET_SECCOMP, _SET_NO_NEW_PRIVS = 4, 22, 38
_EXECUTE, _WRITE, _READ, _LIST = 1, 2, 4, 8
_LAST_RIGHT = {3: 14, 4: 14}  # version: number of the highest right on files; 15 from version 5 on
_ON_FILES = 1 | 2 | 4 | 1 << 14 | 1 << 15


def version() -> int:
    """The kernel's Landlock version, 0 without."""
    try:
        found = int(_libc().syscall(_CREATE, None, ctypes.c_size_t(0), 1))
    except (OSError, AttributeError):
        return 0
    return max(found, 0)


def main() -> None:
    """Enter the sandbox that the job in the folder `sys.argv[1]` describes."""
    import sys

    job = json.loads(Path(sys.argv[1], "job.json").read_text(encoding="utf-8"))["landlock"]
    enter(job["read"], job["list"], job["write"], job["user"])


def enter(read: Iterable[str], listed: Iterable[str], write: Iterable[str], user: int | None) -> None:
    """Confine this process and all it will start, for good.

    Args:
        read: files and folders, with all below, that may be read and executed.
        listed: folders whose names, and those below, may be listed.
        write: files and folders that may be changed as well.
        user: the identity to take, or None to keep the present one.

    Raises:
        OSError: if the kernel refuses a step.
    """
    libc = _libc()
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        _check(libc.prctl(_SET_DUMPABLE, 1, 0, 0, 0))  # /proc/self stays its own
    _check(libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    abi = version()
    files = (1 << _LAST_RIGHT.get(abi, 15) + 1) - 1
    rules = struct.pack("=QQQ", files, 3 if abi >= 4 else 0, 3 if abi >= 6 else 0)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = _check(libc.syscall(_CREATE, rules, ctypes.c_size_t(size), 0))
    for paths, rights in ((read, _EXECUTE | _READ | _LIST), (listed, _LIST), (write, files)):
        for path in paths:
            _allow(libc, ruleset, path, rights & files)
    _check(libc.syscall(_RESTRICT, ruleset, 0))
    os.close(ruleset)
    program = seccomp.program(boxed=False, own=os.getpid())
    buffer = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    _check(libc.prctl(_SET_SECCOMP, 2, filter_, 0, 0))


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # what cannot be opened needs no permission
        return
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _ON_FILES
        rule = struct.pack("=Qi", rights, fd)
        _check(libc.syscall(_ADD_RULE, ruleset, 1, rule, 0))
    finally:
        os.close(fd)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"Landlock: {os.strerror(ctypes.get_errno())}")
    return int(result)
