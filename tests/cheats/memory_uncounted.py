"""Cheat: hold memory that no process is charged with: shared pages of no file, rule sets, long pipes, watches.

Modes: bubblewrap
Verdict: harmless
Unboxed: escaped: ['shared pages', 'shared pages of a device'
"""

import ctypes
import errno
import fcntl
import mmap
import os

import lnbench


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        escaped = []
        libc = ctypes.CDLL(None, use_errno=True)
        read, write = os.pipe()

        def zero():
            with open("/dev/zero", "rb") as file:
                mmap.mmap(file.fileno(), 1 << 20, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)

        attempts = {
            "shared pages": lambda: mmap.mmap(-1, 1 << 20),
            "shared pages of a device": zero,
            "a long pipe": lambda: fcntl.fcntl(write, 1031, 1 << 20),
        }
        for name, attempt in attempts.items():
            try:
                attempt()
                escaped.append(name)
            except OSError:
                pass
        for name, number in {"rule set": 444, "rule": 445, "restriction": 446}.items():
            if libc.syscall(number, 0, 0, 0) >= 0 or ctypes.get_errno() != errno.EPERM:
                escaped.append(name)
        if libc.inotify_init1(0) >= 0:
            escaped.append("inotify")
        if escaped:
            raise RuntimeError(f"escaped: {escaped}")
        return problem.flipped(problem.eligible[: problem.budget])
