"""One guest's life: started, watched, and dead with all it started before this module lets go of it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import select
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from pathlib import Path

from lnbench.errors import UnavailableError
from lnbench.poison import memory, sandbox, scratch, seccomp

LOG_BYTES = 65536
PROCESSES = 64
START_SECONDS = 30.0
_TICK = 0.2
_PROBES = 5
_MARK = "LNBENCH_GUEST"


@dataclass(frozen=True)
class Outcome:
    """What came of a guest.

    Attributes:
        answer: bytes of the result pipe, at most one more than were allowed.
        log: first and last 32 kB of what it printed.
        code: its exit status; 128 + number, or -number, for a signal.
        stopped: `""`, or why the referee ended it: `"start"`, `"time"`, `"bytes"` or `"memory"`.
        seconds: wall clock.
        memory_cap: what bounds the whole tree: `"cgroup"`, `"watched"` or `"process"` (each process on its own only).
    """

    answer: bytes
    log: bytes
    code: int
    stopped: str
    seconds: float
    memory_cap: str


class _Sink:
    """Head and tail of a stream; the middle is counted and dropped."""

    def __init__(self, head: int, tail: int) -> None:
        self.room, self.keep, self.head, self.tail, self.dropped = head, tail, bytearray(), bytearray(), 0

    def add(self, data: bytes) -> None:
        first = self.room - len(self.head)
        self.head += data[:first]
        self.tail += data[first:]
        if (extra := len(self.tail) - self.keep) > 0:
            del self.tail[:extra]
            self.dropped += extra

    def __bytes__(self) -> bytes:
        gap = b"\n[%d bytes left out]\n" % self.dropped if self.dropped else b""
        return bytes(self.head) + gap + bytes(self.tail)


class _Pipe:
    """Both ends of a pipe; each is closed once."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self.read, self.write = map(_above_standard, os.pipe())
        self._open = {self.read, self.write}
        stack.callback(self.close, self.read, self.write)

    def close(self, *ends: int) -> None:
        for end in ends:
            if end in self._open:
                self._open.remove(end)
                os.close(end)


class _Guest:
    """A started process and its pipes; a context manager that leaves nothing alive or open behind."""

    child: subprocess.Popen[bytes]

    def __init__(self, box: sandbox.Box, mode: str, memory_bytes: int | None) -> None:
        self.mode, self.mark = mode, secrets.token_hex(16)
        self.first: int | None = None  # the host's number of the tree's first process
        self.first_fd: int | None = None
        self.group: memory.Group | None = None
        self._gone = False
        with contextlib.ExitStack() as stack:
            result = _Pipe(stack)
            self.answer = result.read
            if mode == sandbox.BUBBLEWRAP:
                self._start_boxed(stack, box, result.write, memory_bytes)
            else:
                environment = {**sandbox.environment(box, mode), _MARK: self.mark}
                command = sandbox.python(str(box.library), str(box.inputs), result.write)
                self._start(stack, command, (result.write,), environment, str(box.scratch))
                self.first = self.child.pid
            result.close(result.write)
            for end in (self.answer, self.log):  # a guest can take back what select() has seen
                os.set_blocking(end, False)
            self._stack = stack.pop_all()

    def __enter__(self) -> _Guest:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start_boxed(
        self, stack: contextlib.ExitStack, box: sandbox.Box, result: int, memory_bytes: int | None
    ) -> None:
        with contextlib.ExitStack() as start:
            rules, info, block = _Pipe(start), _Pipe(start), _Pipe(start)
            os.write(rules.write, seccomp.program(gpu=box.gpu))
            rules.close(rules.write)
            # Of any length, where a pipe could fill up before it is read.
            options = _above_standard(os.memfd_create("options"))
            start.callback(os.close, options)
            command, listed = sandbox.bubblewrap_command(
                box, result=result, rules=rules.read, info=info.write, block=block.read, options=options
            )
            with os.fdopen(os.dup(options), "wb") as file:
                file.write(b"".join(os.fsencode(option) + b"\0" for option in listed))
            os.lseek(options, 0, os.SEEK_SET)
            # An empty environment, because bwrap's own can be read inside as that of process 1.
            self._start(stack, command, (result, rules.read, info.write, block.read, options), {}, "/")
            info.close(info.write)
            block.close(block.read)
            self.first = _number(info.read)
            if self.first is None:
                return  # bwrap has given up; its last words are in the log
            with contextlib.suppress(ProcessLookupError):
                self.first_fd = os.pidfd_open(self.first)
                stack.callback(os.close, self.first_fd)
                stack.callback(self.kill)  # before the descriptor is closed
            if memory_bytes is not None and (group := memory.Group.make(memory_bytes, PROCESSES + 8)) is not None:
                stack.callback(group.remove)
                self.group = group if group.add(self.first) else None
            with contextlib.suppress(BrokenPipeError):
                os.write(block.write, b"g")

    def _start(
        self,
        stack: contextlib.ExitStack,
        command: list[str],
        fds: tuple[int, ...],
        environment: dict[str, str],
        folder: str,
    ) -> None:
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=fds,
            start_new_session=True,
            env=environment,
            cwd=folder,
            bufsize=0,
        )
        assert self.child.stdout is not None
        stack.callback(self.child.stdout.close)
        stack.callback(self.kill)
        self.log = self.child.stdout.fileno()

    def kill(self) -> None:
        """Kill what is left of the tree and wait until it is gone; a second call does nothing."""
        if self._gone:
            return
        with contextlib.suppress(OSError):
            if self.first_fd is not None:  # with the first process of a pid namespace ends all of it
                signal.pidfd_send_signal(self.first_fd, signal.SIGKILL)
            elif self.child.returncode is None:  # its number is not another process's
                os.killpg(self.child.pid, signal.SIGKILL)
        try:
            self.child.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        if self.first_fd is not None:
            _readable(self.first_fd, 5)
        elif self.mode != sandbox.BUBBLEWRAP:
            _kill_marked(self.mark, self.child.pid)
        self._gone = True


def run(
    box: sandbox.Box,
    mode: str,
    *,
    most: int,
    seconds: float,
    memory_bytes: int | None = None,
    cancel: threading.Event | None = None,
) -> Outcome:
    """Run one guest to its end.

    Args:
        most: bytes its answer may have; one more ends it.
        seconds: time from its first byte, which it writes before it loads the submission, until it is killed. A busy
            machine's slow start is not the submission's fault; it has a limit of its own.
        memory_bytes: cap on the whole tree, or None.
        cancel: ends the guest when set.

    Raises:
        UnavailableError: if the process cannot be started at all.
        CancelledError: if `cancel` was set.
    """
    begin, answer, log = time.monotonic(), _Sink(most + 1, 0), _Sink(LOG_BYTES // 2, LOG_BYTES // 2)
    try:
        guest = _Guest(box, mode, memory_bytes)
    except OSError as error:
        raise UnavailableError(f"the guest's process cannot be started: {error}.") from None
    with guest:
        deadline = begin + START_SECONDS
        cap = "process"
        if memory_bytes is not None and sys.platform == "linux":
            cap = "watched" if guest.group is None else "cgroup"

        def read(data: bytes) -> None:
            nonlocal deadline
            if not answer.head:
                deadline = time.monotonic() + seconds
            answer.add(data)

        def verdict() -> str:
            if cancel is not None and cancel.is_set():
                raise CancelledError
            if len(answer.head) > most:
                return "bytes"
            if time.monotonic() >= deadline:
                return "time" if answer.head else "start"
            if cap == "watched" and guest.first is not None and memory_bytes is not None:
                boxed = mode == sandbox.BUBBLEWRAP and answer.head  # until its first byte, its root may be the host's
                files = memory.of_files(guest.first) if boxed else 0
                if memory.exceeds(guest.first, memory_bytes - files, group=mode != sandbox.BUBBLEWRAP):
                    return "memory"
            return ""

        stopped = _watch(guest, read, log.add, verdict, lambda: deadline)
        guest.kill()
        _drain(guest.answer, answer.add)
        _drain(guest.log, log.add)
        if guest.group is not None and guest.group.exhausted():
            stopped = "memory"
        elif not stopped and len(answer.head) > most:
            stopped = "bytes"
        code = guest.child.returncode
    return Outcome(bytes(answer.head), bytes(log), code, stopped, time.monotonic() - begin, cap)


def probe() -> str | None:
    """Run an empty guest in the sandbox with the options every guest gets: None, or the words it failed with.

    A guest that something else kills says nothing about the sandbox: it is tried again.

    Raises:
        UnavailableError: if every one was killed.
    """
    try:
        for _ in range(_PROBES):
            outcome = _probe()
            killed = outcome.code in (-signal.SIGKILL, 128 + signal.SIGKILL)
            if not killed:
                break
    except (UnavailableError, OSError) as error:  # no folder for temporary files, no right to hand one over, …
        return str(error).rstrip(".")
    if killed:
        raise UnavailableError(
            f"whether the sandbox works here could not be tried: something killed its trial {_PROBES} times in a row; "
            "see whether memory is short, and run the same command again."
        )
    if outcome.answer and outcome.code == 0:
        return None
    words = outcome.log.decode(errors="replace").strip().splitlines()
    return words[-1].rstrip(".") if words else f"it ended with exit status {outcome.code} and said nothing"


def _probe() -> Outcome:
    with scratch.folder() as folder:
        box = sandbox.make_box(folder, b"", "probe.py", b"")
        (box.inputs / "job.json").write_text(json.dumps({"probe": True, "limits": {}}), encoding="utf-8")
        return run(box, sandbox.BUBBLEWRAP, most=64, seconds=START_SECONDS, memory_bytes=8 << 30)


def _above_standard(fd: int) -> int:
    """A descriptor, moved if its number is that of standard input, output or error, which this process may lack.

    A child is given its own three under these numbers: what it should inherit must have others.
    """
    if fd > 2:
        return fd
    try:
        return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(fd)


def _watch(
    guest: _Guest,
    answer: Callable[[bytes], None],
    log: Callable[[bytes], None],
    verdict: Callable[[], str],
    deadline: Callable[[], float],
) -> str:
    """Read both pipes until the guest has ended or the verdict is to end it; returns the verdict."""
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        sinks = {guest.answer: answer, guest.log: log}
        for fd in sinks:
            selector.register(fd, selectors.EVENT_READ)
        ended: int | None = None
        if sys.platform == "linux":  # seen through a descriptor, not reaped, so that its number stays taken
            with contextlib.suppress(OSError):
                ended = os.pidfd_open(guest.child.pid)
                stack.callback(os.close, ended)
                selector.register(ended, selectors.EVENT_READ)
        checked = 0.0
        while True:
            for key, _ in selector.select(max(0.0, min(_TICK, deadline() - time.monotonic()))):
                if key.fd == ended:
                    return ""
                with contextlib.suppress(BlockingIOError):
                    if data := os.read(key.fd, 65536):
                        sinks[key.fd](data)
                    else:
                        selector.unregister(key.fd)
            if ended is None and guest.child.poll() is not None:
                return ""
            now = time.monotonic()
            if now >= min(checked + _TICK, deadline()):
                checked = now
                if why := verdict():
                    return why


def _drain(fd: int, sink: Callable[[bytes], None]) -> None:
    """Read what is in the pipe and no more: a survivor elsewhere could hold it open."""
    with contextlib.suppress(BlockingIOError):
        for _ in range(64):
            if not (data := os.read(fd, 65536)):
                return
            sink(data)


def _number(info: int) -> int | None:
    """The child's process number from bwrap's info pipe, None if it said nothing."""
    text, limit = b"", time.monotonic() + 10
    while _readable(info, limit - time.monotonic()):
        if not (data := os.read(info, 4096)):
            break
        text += data
    try:
        return int(json.loads(text)["child-pid"])
    except (ValueError, KeyError, TypeError):
        return None


def _readable(fd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def _kill_marked(mark: str, group: int) -> None:
    """Kill processes that carry a guest's mark in their environment: without a sandbox, daemons leave the group.

    What was killed may still be on its way out: they and the group, killed before, are waited for.
    """
    needle, killed = f"{_MARK}={mark}".encode(), set[int]()
    limit = time.monotonic() + 2
    while time.monotonic() < limit:
        survivors = False
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if needle in (entry / "environ").read_bytes().split(b"\0"):
                    os.kill(int(entry.name), signal.SIGKILL)
                    killed.add(int(entry.name))
                    survivors = True
        if not survivors and not any(map(memory.alive, killed)) and not memory.members(group):
            return
        time.sleep(0.005)
