"""Cheat: leave by way of the kernel: mounts, new namespaces, keys, tracing, other calls with a history of holes.

Modes: bubblewrap
Verdict: harmless
"""

import ctypes
import errno
import os
import platform

import lnbench

CALLS = {  # name: x86_64, aarch64, arguments
    "mount": (165, 40, (b"none", b"/tmp", b"tmpfs", 0, 0)),
    "umount2": (166, 39, (b"/tmp", 2)),
    "unshare user": (272, 97, (0x10000000,)),
    "unshare mount": (272, 97, (0x00020000,)),
    "clone user": (56, 220, (0x10000000 | 17, 0, 0, 0, 0)),
    "setns": (308, 268, (0, 0)),
    "keyctl": (250, 219, (0, 0xFFFFFFFF, 0)),
    "bpf": (321, 280, (0, 0, 0)),
    "perf_event_open": (298, 241, (0, 0, -1, -1, 0)),
    "io_uring_setup": (425, 425, (1, 0)),
    "userfaultfd": (323, 282, (0,)),
    "open_by_handle_at": (304, 265, (-1, 0, 0)),
    "init_module": (175, 105, (0, 0, b"")),
    "pivot_root": (155, 41, (b"/", b"/")),
    "chroot": (161, 51, (b"/tmp",)),
    "process_vm_writev": (311, 271, (1, 0, 0, 0, 0, 0)),
    "shmget": (29, 194, (0, 1 << 20, 0o1600)),
    "mq_open": (240, 180, (b"q", 0o102, 0o600, 0)),
    "terminal": (16, 29, (0, 0x5412, b"x")),
}


class Cheat(lnbench.Poisoner):
    def poison(self, problem):
        escaped = []
        libc = ctypes.CDLL(None, use_errno=True)
        column = ("x86_64", "aarch64").index(platform.machine())
        pid = os.getpid()
        for name, call in CALLS.items():
            result = libc.syscall(call[column], *call[2])
            if os.getpid() != pid:
                os._exit(0)
            if result >= 0 or ctypes.get_errno() != errno.EPERM:
                escaped.append(f"{name}: {result}, {errno.errorcode.get(ctypes.get_errno())}")
        try:
            os.close(os.memfd_create("unbounded"))
            escaped.append("memfd_create")
        except OSError:
            pass
        if int(open("/proc/self/status").read().split("CapEff:")[1].split()[0], 16):
            escaped.append("capabilities")
        try:
            os.setuid(0)
            escaped.append("setuid")
        except OSError:
            pass
        if escaped:
            raise RuntimeError(f"escaped: {escaped}")
        return problem.flipped(problem.eligible[: problem.budget])
