"""The filter does what its tables say: every jump followed by a small interpreter of classic BPF."""

from __future__ import annotations

import errno
import platform
import struct

import pytest

from lnbench.poison import seccomp

ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
READ, CLONE, SOCKET, SOCKETPAIR, IOCTL, MOUNT, PTRACE = range(7)
NUMBERS = {"x86_64": (0, 56, 41, 53, 16, 165, 101), "aarch64": (63, 220, 198, 199, 29, 40, 117)}


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(platform, "machine", lambda: request.param)
    return str(request.param)


def verdict(program: bytes, audit: int, number: int, *arguments: int) -> int:
    """What the kernel answers to one system call."""
    padded = [a & (2**64 - 1) for a in (*arguments, 0, 0, 0, 0, 0, 0)][:6]
    data = struct.pack("<IIQ6Q", number, audit, 0, *padded)
    code: list[tuple[int, int, int, int]] = list(struct.iter_unpack("=HBBI", program))
    place = accumulator = 0
    while True:
        operation, if_true, if_false, value = code[place]
        place += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, value)
        elif operation == 0x06:
            return value
        else:
            test = {
                0x15: accumulator == value,
                0x35: accumulator >= value,
                0x45: bool(accumulator & value),
            }[operation]
            place += if_true if test else if_false


def test_verdicts(machine: str) -> None:
    program, audit, numbers = seccomp.program(), AUDIT[machine], NUMBERS[machine]

    def ask(call: int, *arguments: int) -> int:
        return verdict(program, audit, numbers[call], *arguments)

    assert ask(READ) == ALLOW
    assert ask(MOUNT) == ask(PTRACE) == ERRNO | errno.EPERM
    assert ask(CLONE, 0x003D0F00) == ALLOW  # a thread
    assert ask(CLONE, 0x10000000 | 17) == ask(CLONE, 0x8000 | 17) == ERRNO | errno.EPERM
    assert verdict(program, audit, 435) == ERRNO | errno.ENOSYS  # clone3
    assert ask(IOCTL, 0, 0x5401) == ALLOW
    assert ask(IOCTL, 0, 0x5412) == ask(IOCTL, 0, 0x541C) == ERRNO | errno.EPERM
    assert ask(IOCTL, 0, 0x5412 | 1 << 32) == ERRNO | errno.EPERM  # the kernel reads the low half only
    for call in (SOCKET, SOCKETPAIR):
        assert all(ask(call, family) == ALLOW for family in (1, 2, 10, 16))
        assert all(ask(call, family) == ERRNO | errno.EAFNOSUPPORT for family in (0, 3, 9, 17, 38, 40))


def test_files_of_all_guests_take_no_marks(machine: str) -> None:
    """Of fcntl and ioctl only what is listed; a number that the kernel gains tomorrow is refused already."""
    program, audit = seccomp.program(), AUDIT[machine]
    fcntl, ioctl = {"x86_64": (72, 16), "aarch64": (25, 29)}[machine]
    for command in (0, 1, 2, 3, 4, 1030, 1032):  # duplicates, flags, a pipe's size
        assert verdict(program, audit, fcntl, 1, command) == ALLOW
    locks, signals, leases, hints = (5, 6, 7, 36, 37, 38), (8, 10, 15), (1024, 1025, 1026), (1035, 1036, 1037, 1038)
    for command in (*locks, *signals, *leases, *hints, 1027, 1028, 1031, 1033, 1099, 2**31):
        assert verdict(program, audit, fcntl, 1, command) == ERRNO | errno.EPERM
    for request in (0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451):
        assert verdict(program, audit, ioctl, 1, request) == ALLOW
    extents, flags, version = (0xC020660B, 0x40086627, 0x40086628), (0x40086602, 0x401C5820), (0x80087601, 0x8901)
    for request in (*extents, *flags, *version, 0x5402, 0x8902, 0x1234):
        assert verdict(program, audit, ioctl, 1, request) == ERRNO | errno.ENOTTY
    assert verdict(program, audit, ioctl, 1, 0x40049409) == ERRNO | errno.EOPNOTSUPP  # a copy that shares blocks


def test_a_gpus_driver_is_spoken_to_by_its_own_ioctls(machine: str) -> None:
    program, ioctl = seccomp.program(gpu=True), NUMBERS[machine][IOCTL]
    assert verdict(program, AUDIT[machine], ioctl, 1, 0xC020462A) == ALLOW
    assert verdict(program, AUDIT[machine], ioctl, 1, 0x5412) == ERRNO | errno.EPERM


def test_no_call_looks_into_the_kernels_caches_or_empties_them(machine: str) -> None:
    program, audit = seccomp.program(), AUDIT[machine]
    readv, writev, madvise = {"x86_64": (327, 328, 28), "aarch64": (286, 287, 233)}[machine]
    for call in (readv, writev):
        assert verdict(program, audit, call, 3, 0, 1, 0, 0, 0) == ALLOW
        for flag in (0x08, 0x01, 0x08 | 1 << 32, 0x80):  # do not wait for the disk, …
            assert verdict(program, audit, call, 3, 0, 1, 0, 0, flag) == ERRNO | errno.EOPNOTSUPP
    for advice in (0, 1, 2, 3, 4, 8, 14, 22, 23):
        assert verdict(program, audit, madvise, 0, 4096, advice) == ALLOW
    for advice in (20, 21, 25):
        assert verdict(program, audit, madvise, 0, 4096, advice) == ERRNO | errno.EINVAL


def test_all_memory_is_counted(machine: str) -> None:
    program, audit, mmap = seccomp.program(), AUDIT[machine], {"x86_64": 9, "aarch64": 222}[machine]
    private, shared, checked, anonymous = 2, 1, 3, 0x20
    for flags in (private, private | anonymous, private | anonymous | 0x20000, shared, checked):
        assert verdict(program, audit, mmap, 0, 4096, 3, flags) == ALLOW
    for flags in (shared | anonymous, checked | anonymous, shared | anonymous | 0x8000):
        assert verdict(program, audit, mmap, 0, 4096, 3, flags) == ERRNO | errno.EPERM


def test_other_architectures_are_killed(machine: str) -> None:
    program = seccomp.program()
    other = next(value for name, value in AUDIT.items() if name != machine)
    assert verdict(program, other, 0) == KILL
    assert verdict(program, 0x40000003, 5) == KILL  # 32-bit calls have other numbers
    if machine == "x86_64":
        assert verdict(program, AUDIT[machine], 0x40000000 | 0) == KILL  # x32


def test_every_call_of_the_tables(machine: str) -> None:
    program, column = seccomp.program(), list(AUDIT).index(machine)
    seen = set()
    for table, number in seccomp._TABLES:
        for name, calls in table.items():
            if (call := calls[column]) is not None:
                assert verdict(program, AUDIT[machine], call) == ERRNO | number, name
                seen.add(call)
    allowed = set(range(450)) - seen - {NUMBERS[machine][IOCTL]}  # of which only what is listed
    free = {call for call in allowed if verdict(program, AUDIT[machine], call, 1, 1) == ALLOW}
    assert allowed == free


def test_size(machine: str) -> None:
    program = seccomp.program()
    assert len(program) % 8 == 0 and len(program) // 8 < 4096
    assert len(program) < 65536  # it travels through a pipe that nobody reads yet


def test_unknown_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert not seccomp.supported()
