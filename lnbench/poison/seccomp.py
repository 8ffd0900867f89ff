"""A second wall inside the sandbox: a seccomp filter as classic BPF, assembled here so that no libseccomp is needed.

Default allow. Refused are the calls that reach outside the namespaces (mounts, new namespaces, other processes' memory,
kernel interfaces with a history of holes), that hold memory no limit counts, that leave or watch marks on files which
another guest sees as well (locks, leases, times, inotify), and socket families that the network namespace does not
fence off.
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
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_SHARED, _ANONYMOUS = 0x01, 0x20
_LOCKS = (5, 6, 7, 36, 37, 38)  # fcntl: of a process, and of an open file
_OWNERS = (8, 10, 15)  # fcntl: whom a descriptor's signals go to, and which
_WATCHES = (1024, 1025, 1026)  # fcntl: leases, and notes of a folder's changes
_PIPE_SIZE = 1031
_HARMLESS_IOCTLS = (0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
"""Is it a terminal, how wide is it, how many bytes wait, (non-)blocking, (not) kept open."""
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
    "flock": (73, 32),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
    "inotify_add_watch": (254, 27),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
}
_NOSYS: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435),  # its flags lie in memory, out of a filter's sight; the C library falls back to clone
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
}
# Without namespaces the machine's own processes and files are in reach of these.
_UNBOXED: dict[str, tuple[int | None, int | None]] = {
    "kill": (62, 129),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
    "socket": (41, 198),
}
_CLONE, _SOCKET, _SOCKETPAIR, _IOCTL = (56, 220), (41, 198), (53, 199), (16, 29)
_FCNTL, _MMAP = (72, 25), (9, 222)
_TGKILL, _PRLIMIT, _SET_AFFINITY = (234, 131), (302, 261), (203, 122)


def supported() -> bool:
    """Whether the filter knows this machine's system calls."""
    return platform.machine() in _AUDIT


def program(*, boxed: bool = True, own: int = 0) -> bytes:
    """The filter for this machine, as `bwrap --seccomp` reads it: 8 bytes an instruction.

    Args:
        boxed: whether namespaces fence off network, processes and files; else the calls that reach them are refused.
        own: without namespaces, the process that may signal itself.

    Raises:
        KeyError: on a machine that is neither x86_64 nor aarch64.
    """
    machine = platform.machine()
    column = list(_AUDIT).index(machine)
    code = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, _AUDIT[machine]), (_RETURN, 0, 0, _KILL)]
    code.append((_LOAD, 0, 0, _NUMBER))
    if machine == "x86_64":
        code += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]
    tables = [(_PERM, errno.EPERM), (_NOSYS, errno.ENOSYS)]
    for table, number in tables if boxed else [*tables, (_UNBOXED, errno.EPERM)]:
        for call in table.values():
            if (value := call[column]) is not None:
                code += [(_EQUAL, 0, 1, value), (_RETURN, 0, 0, _ERRNO | number)]
    refused = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    code += _guarded(_CLONE[column], 0, [(_ANY_BIT, 0, 1, _CLONE_NEWUSER | _CLONE_PARENT), refused])
    # Memory that is shared and of no file leaves every process's count when the process lets go of its pages.
    code += _guarded(_MMAP[column], 3, [(_ANY_BIT, 0, 2, _ANONYMOUS), (_ANY_BIT, 0, 1, _SHARED), refused])
    code += _guarded(_FCNTL[column], 1, _none_of((*_LOCKS, *_OWNERS, *_WATCHES, _PIPE_SIZE), errno.EPERM))
    if boxed:
        code += _guarded(_IOCTL[column], 1, _none_of((_TIOCSTI, _TIOCLINUX), errno.EPERM))
    else:
        code += _guarded(_IOCTL[column], 1, _only(_HARMLESS_IOCTLS, errno.EPERM))
    for call in (_SOCKET, _SOCKETPAIR):
        code += _guarded(call[column], 0, _only(_FAMILIES, errno.EAFNOSUPPORT))
    if not boxed:
        for call, values in ((_TGKILL, (own,)), (_PRLIMIT, (0, own)), (_SET_AFFINITY, (0, own))):
            code += _guarded(call[column], 0, _only(values, errno.EPERM))
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


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
