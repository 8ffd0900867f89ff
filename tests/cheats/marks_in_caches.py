"""Cheat: see which pages and names the kernel has in its caches, throw pages out, and so leave a note in them.

Reading a page or a name brings it into the cache, for every guest; a clock tells the next one, and so does the count
of its own page faults. No filter stops that: where splits are secret, the referee empties the caches between guests.

Modes: bubblewrap
Verdict: harmless
Unboxed: escaped: ['without waiting'
"""

import ctypes
import errno
import mmap
import os
import platform

import lnbench

CALLS = {  # name: x86_64, aarch64, arguments; all with a descriptor that does not exist
    "pages in the cache": (27, 232, (0, 4096, 0)),
    "counts of pages": (451, 451, (-1, 0, 0, 0)),
    "reading ahead": (187, 213, (-1, 0, 4096)),
    "requests": (206, 0, (-1, 0)),
    "rings": (425, 425, (1, 0)),
    "names in the cache": (437, 437, (-1, b"x", 0, 24)),
}


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        escaped = []
        libc = ctypes.CDLL(None, use_errno=True)
        column = ("x86_64", "aarch64").index(platform.machine())
        fd = os.open(os.__file__, os.O_RDONLY)
        try:
            if os.preadv(fd, [bytearray(1)], 0, os.RWF_NOWAIT) == 1:
                escaped.append("without waiting")
        except OSError:
            pass
        for name, call in CALLS.items():
            libc.syscall(call[column], *call[2])
            if ctypes.get_errno() not in (errno.ENOSYS, errno.EPERM):
                escaped.append(name)
        with mmap.mmap(fd, 4096, prot=mmap.PROT_READ, flags=mmap.MAP_PRIVATE) as page:
            page[0]
            for name, advice in {"cold": 20, "out": 21, "one large page": 25}.items():
                try:
                    page.madvise(advice)
                    escaped.append(name)
                except OSError:
                    pass
        if escaped:
            raise RuntimeError(f"escaped: {escaped}")
        return problem.flipped(problem.eligible[: problem.budget])
