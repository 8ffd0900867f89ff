"""A second wall inside the sandbox: a seccomp filter as classic BPF, assembled here so that no libseccomp is needed.

System calls are allowed unless they are listed; `fcntl`, `ioctl`, socket families and flags of reads are refused unless
they are listed. Refused are the calls that reach outside the namespaces (mounts, new namespaces, other processes'
memory, kernel interfaces with a history of holes), that hold memory no limit counts, that leave a mark on a file which
another guest sees as well or look for one (locks, leases, watches, hints, what is in the kernel's caches and throwing
it out), and socket families that the network namespace does not fence off.
"""

from __future__ import annotations

import errno
import platform
import struct

_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE = 0, 4
_ARGUMENTS = 16
_CLONE_NEWUSER, _CLONE_PARENT = 0x10000000, 0x8000
_SHARED, _ANONYMOUS = 0x01, 0x20
_FCNTLS = (0, 1, 2, 3, 4, 1030, 1032)
"""Duplicate a descriptor, read and set its flags, ask for a pipe's size.

Not: locks (5–7, 36–38), owners of signals (8, 10, 15), leases and notes (1024–1026), a pipe's size (1031), hints
(1035–1038).
"""
_IOCTLS = (0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""Is it a terminal, how wide is it, how many bytes wait; blocking or not, closed on exec or not."""
_FICLONE = 0x40049409  # `cp` and pathlib copy byte by byte after EOPNOTSUPP
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_ADVICE_ON_CACHES = (20, 21, 25)  # madvise: cold, page out, collapse; they move a file's pages for everybody
_FAMILIES = (1, 2, 10, 16)  # unix, IPv4, IPv6, netlink: all of them fenced by the network namespace; vsock is not

_AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000

# name: (x86_64, aarch64), None where the architecture has no such call
_PERM: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    "open_by_handle_at": (304, 265),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "acct": (163, 89),
    "syslog": (103, 116),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    "landlock_create_ruleset": (444, 444),
    "landlock_add_rule": (445, 445),
    "landlock_restrict_self": (446, 446),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
}
_NOSYS: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435),  # its flags lie in memory, out of a filter's sight; the C library falls back to clone
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "openat2": (437, 437),  # RESOLVE_CACHED asks which names the kernel has in its cache
    "mincore": (27, 232),
    "cachestat": (451, 451),
    "readahead": (187, 213),
    "io_setup": (206, 0),  # its quota is the machine's
    "flock": (73, 32),
}
# Answered as if done. Advice on caches may be ignored by anybody. Times could be set on the machine's own devices,
# which all guests see; copying, unpacking and touching a file should not fail for want of them.
_IGNORED: dict[str, tuple[int | None, int | None]] = {
    "fadvise64": (221, 223),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
}

_TABLES = ((_PERM, errno.EPERM), (_NOSYS, errno.ENOSYS), (_IGNORED, 0))

_CLONE, _SOCKET, _SOCKETPAIR, _IOCTL, _FCNTL = (56, 220), (41, 198), (53, 199), (16, 29), (72, 25)
_MMAP, _MADVISE, _PREADV2, _PWRITEV2 = (9, 222), (28, 233), (327, 286), (328, 287)


def supported() -> bool:
    """Whether the filter knows this machine's system calls."""
    return platform.machine() in _AUDIT


def program(*, gpu: bool = False) -> bytes:
    """The filter for this machine, as `bwrap --seccomp` reads it: 8 bytes an instruction.

    Args:
        gpu: whether the guest is given a GPU, whose driver is spoken to by ioctls of its own.

    Raises:
        KeyError: on a machine that is neither x86_64 nor aarch64.
    """
    machine = platform.machine()
    column = list(_AUDIT).index(machine)
    code = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, _AUDIT[machine]), (_RETURN, 0, 0, _KILL)]
    code.append((_LOAD, 0, 0, _NUMBER))
    if machine == "x86_64":
        code += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    for table, number in _TABLES:
        for call in table.values():
            if (value := call[column]) is not None:
                code += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ERRNO | number)]
    refused = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    code += _guarded(_CLONE[column], 0, [(_ANY_BIT, 0, 1, _CLONE_NEWUSER | _CLONE_PARENT), refused])
    # Memory that is shared and of no file leaves every process's count when the process lets go of its pages.
    code += _guarded(_MMAP[column], 3, [(_ANY_BIT, 0, 2, _ANONYMOUS), (_ANY_BIT, 0, 1, _SHARED), refused])
    code += _guarded(_MADVISE[column], 2, _none_of(_ADVICE_ON_CACHES, errno.EINVAL))
    code += _guarded(_FCNTL[column], 1, _only(_FCNTLS, errno.EPERM))
    code += _guarded(_IOCTL[column], 1, _none_of(_TERMINAL_INPUT, errno.EPERM) + _ioctls(gpu))
    for call in (_PREADV2, _PWRITEV2):
        code += _guarded(call[column], 5, _only((0,), errno.EOPNOTSUPP))
    for call in (_SOCKET, _SOCKETPAIR):
        code += _guarded(call[column], 0, _only(_FAMILIES, errno.EAFNOSUPPORT))
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _ioctls(gpu: bool) -> list[tuple[int, int, int, int]]:
    """Without a GPU: allow what is listed, say of the rest what the kernel says of a request it does not know."""
    return [] if gpu else _none_of((_FICLONE,), errno.EOPNOTSUPP) + _only(_IOCTLS, errno.ENOTTY)


def _only(values: tuple[int, ...], number: int) -> list[tuple[int, int, int, int]]:
    """Allow these values of the loaded word, answer all others with an error."""
    tests = [(_EQUAL, len(values) - 1 - i, int(i == len(values) - 1), value) for i, value in enumerate(values)]
    return [*tests, (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERRNO | number)]


def _none_of(values: tuple[int, ...], number: int) -> list[tuple[int, int, int, int]]:
    """Answer these values of the loaded word with an error."""
    return [i for value in values for i in ((_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ERRNO | number))]


def _guarded(number: int, argument: int, body: list[tuple[int, int, int, int]]) -> list[tuple[int, int, int, int]]:
    """`body` on the low word of one argument of one system call; falling through `body` allows the call."""
    inside = [(_LOAD, 0, 0, _ARGUMENTS + 8 * argument), *body, (_RETURN, 0, 0, _ALLOW)]
    return [(_EQUAL, 0, len(inside), number), *inside]
