"""One sentence on an exception of a submission: what it did, in which line, and what of it the sandbox forbids.

Runs in the guest, beside the submission; nothing here is trusted by the referee.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import linecache
import os
import re
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType

_REFUSALS = (errno.EPERM, errno.ENOSYS)  # how the sandbox answers calls that it forbids
_NETWORK = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_OFFLINE = {
    *("gaierror", "URLError", "ConnectionRefusedError", "ConnectError", "ConnectTimeout", "MaxRetryError"),
    *("NameResolutionError", "OfflineModeIsEnabled", "LocalEntryNotFoundError"),
}
_NO_NETWORK = (
    "asked for the network",
    "there is none in the sandbox, since labels may depend on the training set alone: no downloads, no trained weights",
)
_HIDDEN_DATA = ("read scikit-learn's bundled data", "they hold test points and are hidden here; use problem.inputs")
_NO_GPU = ("asked for a GPU", "the sandbox has none; put tensors on problem.device")
_NOBODY = (
    "waited for somebody at a keyboard or a debugger",
    "there is nobody in the sandbox; print what you want to see",
)
_NO_LIBRARY = (
    "needs a module that is not here",
    "a submission is one file, and has NumPy, SciPy, scikit-learn, NetworkX, PyTorch, torchvision, timm and lnbench",
)
_NO_LOCKS = (
    "tried to lock a file",
    "the sandbox has no file locks, by which guests could signal to each other; SQLite works in memory or with "
    "nolock=1",
)
_NO_SHARED_PAGES = (
    "asked for shared memory that belongs to no file",
    "the sandbox has none, since no limit counts it; multiprocessing.shared_memory works",
)
_NO_MARKS = ("changed a file's marks", "the sandbox forbids what another guest could find on a file")
_NOT_YOURS = (
    "opened a file that is hidden or read-only here",
    "a guest may read Python's libraries and write below tempfile.gettempdir()",
)
_REFUSED = ("asked the kernel for what the sandbox forbids", "SECURITY.md lists it")
_FULL = ("filled the disk for temporary files", "write less, or remove what you no longer need")
_MANY = ("started more processes or threads than the sandbox allows", "start fewer; 64 may run at once")
_FILES = ("opened more files than the sandbox allows", "close them; 256 may be open at once")
_CALLS = (  # words in the line of code that the kernel refused
    (r"flock|lockf|fcntl\.fcntl|F_SETL", _NO_LOCKS),
    (r"mmap", _NO_SHARED_PAGES),
    (r"utime|xattr|chattr", _NO_MARKS),
)
_ERRNOS = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EROFS: _NOT_YOURS,
    errno.EACCES: _NOT_YOURS,
    errno.EMFILE: _FILES,
}


def blame(error: BaseException, path: str, doing: str, memory_gib: float | None = None) -> str:
    """A sentence on an exception of the submission at `path`, with its line there, if it has one."""
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == path else None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == path:
            line = number
    where = "" if line is None else f" in line {line}"
    told = words(error)
    if isinstance(error, MemoryError) or "can't allocate memory" in told or "Cannot allocate memory" in told:
        limit = "" if memory_gib is None else f" of {memory_gib:g} GiB"
        return f"{doing} ran out of the memory limit{limit}{where}; hold less at a time."
    if isinstance(error, ValueError) and ("read-only" in told or "WRITEABLE" in told):
        return f"{doing} wrote to a read-only array of the problem{where}; work on a copy: problem.labels.copy()."
    if isinstance(error, dataclasses.FrozenInstanceError):
        name = re.search(r"'(\w+)'", told)
        return (
            f"{doing} set self.{name[1] if name else '…'}{where}, and a poisoner's fields are fixed; use a local "
            "variable, or hand the value on to the functions that need it."
        )
    for behind in chain(error):
        if prohibition := forbidden(behind):
            did, why = prohibition
            said = f" ({words(behind, 160)})" if words(behind) else ""
            if behind is error:
                return f"{doing} {did}{where}{said}; {why}."
            return f"{doing} raised {type(error).__name__}{where}, because it {did}{said}; {why}."
    return f"{doing} raised {type(error).__name__}{where}{': ' + told.rstrip('.') if told else ''}."


def chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those behind it, each once, the first sixteen."""
    todo, seen = [error], list[BaseException]()
    while todo and len(seen) < 16:
        one = todo.pop(0)
        if any(one is other for other in seen):
            continue
        seen.append(one)
        yield one
        context = None if one.__suppress_context__ else one.__context__
        todo += [behind for behind in (one.__cause__, context) if behind is not None]


def forbidden(error: BaseException) -> tuple[str, str] | None:
    """What of the sandbox's an exception ran into: what was done, and why it cannot be; None if nothing known."""
    kind, told = type(error).__name__, words(error)
    if kind in _OFFLINE or "name resolution" in told:
        return _NO_NETWORK
    if kind in ("BdbQuit", "EOFError") and (kind == "BdbQuit" or "reading a line" in told):
        return _NOBODY
    if isinstance(error, ModuleNotFoundError):
        return _NO_LIBRARY
    if re.search(r"NVIDIA driver|CUDA GPUs|compiled with CUDA|CUDA is not available", told):
        return _NO_GPU
    if kind == "OperationalError" and type(error).__module__ == "sqlite3":
        return _NO_LOCKS if re.search(r"permission|lock|disk I/O", told) else None
    if "can't start new thread" in told:
        return _MANY
    code = _code(error.__traceback__)
    if getattr(error, "errno", None) in _REFUSALS or any(os.strerror(number) in told for number in _REFUSALS):
        return next((what for pattern, what in _CALLS if re.search(pattern, code)), _REFUSED)
    if not isinstance(error, OSError):
        return None
    if "sklearn/datasets/data" in str(error.filename or ""):
        return _HIDDEN_DATA
    if error.errno == errno.EAGAIN:
        return _MANY if re.search(r"fork|spawn|start", code) else None
    return _NO_NETWORK if error.errno in _NETWORK else _ERRNOS.get(error.errno or 0)


def words(error: BaseException, most: int = 300) -> str:
    """The exception's own words, on one line, at most `most` characters."""
    try:
        text = " ".join(str(error)[:2000].split())
        return text if len(text) <= most else text[: most - 1] + "…"
    except BaseException:
        return ""


def print_traceback(error: BaseException, path: str) -> None:
    """Print an exception's traceback to the log, without lnbench's own frames above the submission's at `path`."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename != path:
        trace = trace.tb_next
    with contextlib.suppress(BaseException):
        traceback.print_exception(type(error), error, trace, file=sys.stderr)


def _code(trace: TracebackType | None) -> str:
    """The line of code that an exception comes from."""
    last = None
    for last in traceback.walk_tb(trace):  # noqa: B007
        pass
    return "" if last is None else linecache.getline(last[0].f_code.co_filename, last[1])
