"""The guest: loads one submission, hands it one problem and writes its labels to a pipe. Runs inside the sandbox.

Nothing here is trusted by the referee: the submission shares this process and may change all of it. The checks below
are a courtesy, the ones that only this side can make and word well; `lnbench.poison.labels` is the law.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import math
import os
import re
import struct
import sys
import time
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from lnbench.protocol.poisoner import Poisoner, Problem, Threat

MAGIC = b"lnbench1"
_TEXT, _LIMITS = 200, {"description": 200, "author": 100, "paper": 300, "license": 60}


class Refused(Exception):
    """The verdict on the submission is no; the message goes to the referee without the file's name."""


class BadParameter(Exception):
    """The command line named a parameter, or gave it a value, that the submission does not have."""


def main() -> NoReturn:
    """Entry point: `main` of `python -c … LIBRARY FOLDER RESULT_FD`; ends the process without clean-up."""
    folder, result = Path(sys.argv[1]), int(sys.argv[2])
    pid, streams = os.getpid(), (sys.stdout, sys.stderr)
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    confine(job)
    os.set_inheritable(result, False)
    job["deadline"] = time.monotonic() + job.get("seconds", 0)
    _write(result, MAGIC)  # the referee's clock starts here
    if job.get("probe"):
        os._exit(0)
    body = b""
    try:
        kind, header, body = answer(load(job["submission"]), job, folder)
    except Refused as error:
        kind, header = b"R", {"message": str(error)}
    except BadParameter as error:
        kind, header = b"U", {"message": str(error)}
    except BaseException as error:
        kind, header = b"R", {"message": blame(error, job["submission"], "putting its answer together")}
    if os.getpid() != pid:  # a process the submission forked came back from poison() as well
        os._exit(1)
    for stream in streams:
        with contextlib.suppress(Exception):
            stream.flush()
    _write(result, packed(kind, header, body))
    os._exit(0)


def confine(job: Mapping[str, Any]) -> None:
    """Lower this process's resource limits, for good, and die with the referee where the sandbox does not see to it."""
    with contextlib.suppress(ImportError):
        import resource

        for name, (soft, hard) in job["limits"].items():
            ceiling = resource.getrlimit(getattr(resource, name))[1]
            if ceiling != resource.RLIM_INFINITY:
                soft, hard = min(soft, ceiling), min(hard, ceiling)
            with contextlib.suppress(ValueError, OSError):  # a limit this system does not have
                resource.setrlimit(getattr(resource, name), (soft, hard))
    if job.get("parent") and sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(1, int(signal.SIGKILL), 0, 0, 0)  # PR_SET_PDEATHSIG
        if os.getppid() != job["parent"]:
            os._exit(1)


def load(path: str) -> type[Poisoner]:
    """The one Poisoner that the file defines.

    Raises:
        Refused: if it cannot be imported, or defines none or several.
    """
    module = types.ModuleType("submission")
    module.__file__ = path
    sys.modules["submission"] = module
    try:
        exec(compile(Path(path).read_bytes(), path, "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        raise Refused(blame(error, path, "importing it")) from None
    defined: list[type[Poisoner]] = []
    for value in list(vars(module).values()):
        if isinstance(value, type) and issubclass(value, Poisoner) and value.__module__ == "submission":
            if value not in defined:
                defined.append(value)
    if len(defined) != 1:
        found = ", ".join(c.__name__ for c in defined) or "none"
        raise Refused(f"expected exactly one class that extends lnbench.Poisoner, found {found}; keep one to a file.")
    return defined[0]


def settings(kind: type[Poisoner], given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """All parameters' values with `given` put in, and their defaults.

    Raises:
        Refused: if the class has a parameter without a plain default.
        BadParameter: if `given` names another parameter, or a value of another type.
    """
    defaults = kind.parameters()
    for name, default in defaults.items():
        if type(default) not in (bool, int, float, str) or (type(default) is float and not math.isfinite(default)):
            raise Refused(
                f"parameter {name} needs a default that is an int, a finite float, a bool or a str; "
                "annotate what is no parameter as ClassVar."
            )
    values = dict(defaults)
    for name, value in given.items():
        if name not in defaults:
            near = difflib.get_close_matches(name, list(defaults), n=1, cutoff=0.5)
            known = f"it has {', '.join(defaults)}." if defaults else "it has none."
            hint = f"did you mean {near[0]!r}?" if near else known
            raise BadParameter(f"no parameter is called {name!r}; {hint}")
        values[name] = _convert(name, value, defaults[name])
    return values, defaults


def as_labels(result: Any, n: int) -> np.ndarray:
    """What poison() returned as (n,) int64.

    Raises:
        Refused: if it is not n integers, saying what it is.
    """
    want = f"expected poison() to return {n} integer labels, "
    if result is None:
        raise Refused(f"{want}got None; end it with `return labels`.")
    if not isinstance(result, (np.ndarray, list, tuple)) and not hasattr(result, "__array__"):
        raise Refused(f"{want}got an object of type {type(result).__name__}; return a NumPy array.")
    try:
        array = np.asarray(result)
    except Exception as error:
        kind = type(result).__name__
        raise Refused(f"{want}got a {kind} that is no array ({_told(error)}); return a NumPy array.") from None
    if array.dtype.kind == "f":
        extra = " with NaN in it" if np.isnan(array).any() else ""
        raise Refused(f"{want}got {array.dtype}{extra}; copy problem.labels, which are int64, and change the copy.")
    if array.dtype.kind not in "iu":
        raise Refused(f"{want}got dtype {array.dtype}; copy problem.labels, which are int64, and change the copy.")
    if array.shape != (n,):
        raise Refused(f"{want}got shape {array.shape}; return one label for each point of problem.inputs.")
    if array.dtype == np.uint64 and int(array.max()) >= 2**63:
        raise Refused(f"{want}got {int(array.max())}, which is no label; copy problem.labels and change the copy.")
    return array.astype("<i8")


def blame(error: BaseException, path: str, doing: str, memory_gib: float | None = None) -> str:
    """One sentence on an exception of the submission, with its line; the traceback goes to the log."""
    import traceback

    with contextlib.suppress(BaseException):
        traceback.print_exception(error)
    line: int | None = None
    if isinstance(error, SyntaxError) and error.filename == path:
        line = error.lineno
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == path:
            line = number
    where = "" if line is None else f" in line {line}"
    told = _told(error)
    if isinstance(error, MemoryError) or "can't allocate memory" in told or "Cannot allocate memory" in told:
        limit = "" if memory_gib is None else f" of {memory_gib:g} GiB"
        return f"{doing} ran out of the memory limit{limit}{where}; hold less at a time."
    if isinstance(error, ValueError) and ("read-only" in told or "WRITEABLE" in told):
        return f"{doing} wrote to a read-only array of the problem{where}; work on a copy: problem.labels.copy()."
    return f"{doing} raised {type(error).__name__}{where}{': ' + told if told else ''}; the log has the traceback."


def packed(kind: bytes, header: Mapping[str, Any], body: bytes) -> bytes:
    """What follows `MAGIC` in an answer."""
    text = json.dumps(header, ensure_ascii=True).encode("ascii")
    return kind + struct.pack("<I", len(text)) + text + body


def answer(kind: type[Poisoner], job: Mapping[str, Any], folder: Path) -> tuple[bytes, dict[str, Any], bytes]:
    """The kind, header and body of the answer to one job.

    Args:
        folder: holds the problem's arrays.

    Raises:
        Refused, BadParameter: the verdict, if there are no labels to give.
    """
    path = job["submission"]
    values, defaults = settings(kind, job["parameters"])
    try:
        poisoner = kind(**values)
    except BaseException as error:
        raise Refused(blame(error, path, f"{kind.__name__}()")) from None
    header: dict[str, Any] = {key: _stated(kind, key)[: limit + 1] for key, limit in _LIMITS.items()}
    written = kind.__dict__.get("__doc__") or ""
    if written.startswith(f"{kind.__name__}("):  # a dataclass's own text, not the author's
        written = ""
    header["description"] = written.strip().partition("\n")[0][: _LIMITS["description"]]
    header["parameters"] = {k: v[:_TEXT] if isinstance(v, str) else v for k, v in values.items()}
    header["defaults"] = {k: v[:_TEXT] if isinstance(v, str) else v for k, v in defaults.items()}
    if job["describe"]:
        return b"D", header, b""
    problem = _problem(job, folder)
    n = len(problem.labels)
    try:
        result = poisoner.poison(problem)
    except BaseException as error:
        raise Refused(blame(error, path, "poison()", job["memory_gib"])) from None
    labels = as_labels(result, n)
    return b"L", header, labels.tobytes() + struct.pack("<q", trainings())


def _stated(kind: type[Poisoner], key: str) -> str:
    """A class field, or the line `Key: …` of the class's or the file's docstring, whichever comes first."""
    if value := getattr(kind, key, ""):
        return str(value)
    spelling = "licen[cs]e" if key == "license" else key
    for text in (kind.__dict__.get("__doc__"), getattr(sys.modules.get(kind.__module__), "__doc__", None)):
        if found := re.search(rf"^[ \t]*{spelling}:[ \t]*(\S.*)$", str(text or ""), re.MULTILINE | re.IGNORECASE):
            return found[1]
    return ""


def _problem(job: Mapping[str, Any], folder: Path) -> Problem:
    arrays = {}
    for name in ("inputs", "labels"):
        arrays[name] = np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False))
    entropy = np.random.SeedSequence(int(job["entropy"], 16))
    return Problem(
        **arrays,
        num_classes=job["num_classes"],
        budget=job["budget"],
        pairs=tuple((source, target) for source, target in job["pairs"]),
        threat=Threat(**job["threat"]),
        rng=np.random.Generator(np.random.PCG64(entropy)),
        split=job["split"],
        device=job["device"],
        bounds=None if job["bounds"] is None else tuple(job["bounds"]),
        deadline=job["deadline"],
    )


def trainings() -> int:
    """Victim trainings that lnbench.surrogates counted in this process, 0 without it."""
    surrogates = sys.modules.get("lnbench.surrogates")
    return 0 if surrogates is None else int(surrogates.trainings_spent())


def _convert(name: str, value: Any, default: Any) -> Any:
    """`value`, perhaps text of the command line, in the type of the parameter's default."""
    kind = type(default)
    if isinstance(value, str) and kind is bool:
        words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
        value = words.get(value.lower(), value)
    elif isinstance(value, str) and kind in (int, float):
        with contextlib.suppress(ValueError):
            value = kind(value)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise BadParameter(f"parameter {name} is of type {kind.__name__} (default {default!r}), got {value!r}.")
    return value


def _told(error: BaseException) -> str:
    """The exception's own words, on one line, bounded."""
    try:
        return " ".join(str(error)[:2000].split())[:300]
    except BaseException:
        return ""


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
