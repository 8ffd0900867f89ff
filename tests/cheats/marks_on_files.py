"""Cheat: tell another split's guest what this one was given, by marks on files that both see: locks, leases, hints, times.

Modes: bubblewrap
Verdict: harmless
Unboxed: escaped: ['flock'
"""

import fcntl
import os
import struct

import lnbench

LOCK = struct.pack("hhqqi4x", fcntl.F_RDLCK, 0, 1 << 40, 1, 0)
COMMANDS = {"lock": 6, "waiting lock": 7, "who locks": 5, "own lock": 37, "own waiting lock": 38, "who owns": 36}
COMMANDS |= {"lease": 1024, "note": 1026, "owner": 8, "signal": 10}
HINTS = {"hint of an inode": 1036, "hint of a file": 1038, "whose hint": 1035}
REQUESTS = {"extents": 0xC020660B, "cached extents": 0xC020662A, "precached extents": 0x6612, "flags": 0x80086601}


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        escaped = []
        fd = os.open(os.__file__, os.O_RDONLY)
        attempts = {"flock": lambda: fcntl.flock(fd, fcntl.LOCK_SH)}
        for name, command in COMMANDS.items():
            given = LOCK if "lock" in name or "who" in name else 0
            attempts[name] = lambda command=command, given=given: fcntl.fcntl(fd, command, given)
        for name, command in HINTS.items():
            attempts[name] = lambda command=command: fcntl.fcntl(fd, command, struct.pack("Q", 3))
        for name, request in REQUESTS.items():
            attempts[name] = lambda request=request: fcntl.ioctl(fd, request, bytes(64))
        for name, attempt in attempts.items():
            try:
                attempt()
                escaped.append(name)
            except OSError:
                pass
        for path in ("/dev/null", "/dev/full", "/dev/urandom", 0, __file__):
            before = os.stat(path).st_mtime_ns
            for times in ({}, {"ns": (7, 7)}):
                try:
                    os.utime(path, **times)
                except OSError:
                    pass
            if os.stat(path).st_mtime_ns != before:
                escaped.append(f"times of {path}")
        if escaped:
            raise RuntimeError(f"escaped: {escaped}")
        return problem.flipped(problem.eligible[: problem.budget])
