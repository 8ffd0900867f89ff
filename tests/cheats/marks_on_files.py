"""Cheat: tell another split's guest what this one was given, by marks on files that both see: locks, leases, watches, times.

Modes: bubblewrap, landlock
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


def changed_times(file):
    """Set a file's times; os.utime says nothing where the sandbox refuses, so that copies work."""
    before = os.stat(file).st_mtime_ns
    os.utime(file, ns=(before, before + 1))
    if os.stat(file).st_mtime_ns == before:
        raise PermissionError


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        escaped = []
        fd = os.open(os.__file__, os.O_RDONLY)
        attempts = {
            "flock": lambda: fcntl.flock(fd, fcntl.LOCK_SH),
            "times of a device": lambda: changed_times("/dev/null"),
            "times of standard input": lambda: changed_times(0),
            "times of its own file": lambda: changed_times(__file__),
        }
        for name, command in COMMANDS.items():
            given = LOCK if "lock" in name or "who" in name else 0
            attempts[name] = lambda command=command, given=given: fcntl.fcntl(fd, command, given)
        for name, attempt in attempts.items():
            try:
                attempt()
                escaped.append(name)
            except PermissionError:
                pass
        if escaped:
            raise RuntimeError(f"escaped: {escaped}")
        return problem.flipped(problem.eligible[: problem.budget])
