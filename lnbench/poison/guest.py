"""The guest: loads one submission, hands it one problem and writes its labels to a pipe. Runs inside the sandbox.

Nothing here is trusted by the referee: the submission shares this process and may change all of it. The checks below
are a courtesy, the ones that only this side can make and word well; `lnbench.poison.labels` is the law.
"""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import json
import os
import struct
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import numpy as np

from lnbench.poison import everyday
from lnbench.poison.blame import blame, print_traceback, words
from lnbench.poison.training_bytes import encode
from lnbench.protocol.contestant import Contestant
from lnbench.protocol.defender import DefenceProblem, Defender
from lnbench.protocol.documents import read
from lnbench.protocol.poisoner import Poisoner, Problem, Threat
from lnbench.protocol.recipe import Recipe

MAGIC = b"lnbench1"
_MESSAGE_BYTES = 2400
_MODULE = "lnbench.poison.loaded"

Kind = TypeVar("Kind", bound=Contestant)


class Refused(Exception):
    """The verdict on the submission is no; the message goes to the referee without the file's name."""


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
    with contextlib.suppress(Exception):  # so that a crash leaves what was printed before, and a traceback
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        faulthandler.enable(all_threads=False)
    try:
        reply = _loaded_answer(job, folder)
    except Refused as error:
        reply = _refusal(str(error))
    except BaseException as error:
        reply = _refusal(_blamed(error, job, "putting its answer together"))
    if os.getpid() != pid:  # a process the submission forked came back from poison() as well
        os._exit(1)
    for stream in streams:
        with contextlib.suppress(Exception):
            stream.flush()
    _write(result, reply)
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


def load(path: str, base: type[Kind]) -> type[Kind]:
    """The one class that the file defines of those that extend `base`.

    Raises:
        Refused: if it defines none or several.
    """
    os.environ[everyday.FILE] = path
    module = importlib.import_module(_MODULE)
    defined: list[type[Kind]] = []
    for value in list(vars(module).values()):
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == _MODULE:
            if value not in defined:
                defined.append(value)
    if len(defined) != 1:
        names = ", ".join(c.__name__ for c in defined) or "none"
        raise Refused(
            f"expected exactly one class that extends lnbench.{base.__name__}, found {names}; keep one to a file."
        )
    return defined[0]


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
        raise Refused(f"{want}got a {kind} that is not an array ({words(error)}); return a NumPy array.") from None
    if array.dtype.kind == "f":
        extra = " with NaN in it" if np.isnan(array).any() else ""
        raise Refused(f"{want}got {array.dtype}{extra}; copy problem.labels, which are int64, and change the copy.")
    if array.dtype.kind not in "iu":
        raise Refused(f"{want}got dtype {array.dtype}; copy problem.labels, which are int64, and change the copy.")
    if array.shape != (n,):
        raise Refused(f"{want}got shape {array.shape}; return one label for each point of problem.inputs.")
    if array.dtype == np.uint64 and int(array.max()) >= 2**63:
        raise Refused(f"{want}got {int(array.max())}, which is not a label; copy problem.labels and change the copy.")
    return array.astype("<i8")


def _loaded_answer(job: Mapping[str, Any], folder: Path) -> bytes:
    """The kind of the answer, and the answer of the submission's class; raises as `answer`."""
    defends = job.get("contract") == "Defender"
    try:
        kind: Any = load(job["submission"], Defender) if defends else load(job["submission"], Poisoner)
    except Refused:
        raise
    except BaseException as error:
        raise Refused(_blamed(error, job, "importing it")) from None
    return b"T" + training(kind, job, folder) if defends else b"L" + answer(kind, job, folder)


def answer(kind: type[Poisoner], job: Mapping[str, Any], folder: Path) -> bytes:
    """The labels and the number of trainings, as bytes.

    Args:
        folder: holds the problem's arrays.

    Raises:
        Refused: with the verdict.
    """
    problem = _problem(job, folder)
    result = _called(kind, "poison", problem, job)
    return as_labels(result, len(problem.labels)).tobytes() + struct.pack("<q", trainings())


def training(kind: type[Defender], job: Mapping[str, Any], folder: Path) -> bytes:
    """A defender's training, as the bytes that `lnbench.poison.trainings` reads; raises as `answer`."""
    problem = _defence_problem(job, folder)
    result = _called(kind, "defend", problem, job)
    try:
        return encode(result, len(problem.labels), trainings())
    except ValueError as error:
        raise Refused(str(error)) from None


def _called(kind: Callable[..., Any], method: str, problem: Any, job: Mapping[str, Any]) -> Any:
    """What the method of an instance with the job's parameters returns."""
    try:
        contestant = kind(**job["parameters"])
    except BaseException as error:
        raise Refused(_blamed(error, job, f"{getattr(kind, '__name__', 'the class')}()")) from None
    try:
        return getattr(contestant, method)(problem)
    except BaseException as error:
        raise Refused(_blamed(error, job, f"{method}()")) from None


def _blamed(error: BaseException, job: Mapping[str, Any], doing: str) -> str:
    print_traceback(error, job["submission"])
    return blame(error, job["submission"], doing, job["memory_gib"])


def _refusal(message: str) -> bytes:
    return b"R" + message.encode("utf-8", errors="replace")[:_MESSAGE_BYTES]


def _arrays(folder: Path) -> dict[str, Any]:
    """The problem's inputs and labels."""
    arrays = {}
    for name in ("inputs", "labels"):
        # Pages of this process alone: what PyTorch or C code writes to them reaches neither the file nor anybody else.
        arrays[name] = np.asarray(np.load(folder / f"{name}.npy", mmap_mode="c", allow_pickle=False))
        arrays[name].flags.writeable = False
    return arrays


def _common(job: Mapping[str, Any]) -> dict[str, Any]:
    """What both kinds of problem have besides arrays."""
    entropy = np.random.SeedSequence(int(job["entropy"], 16))
    return {
        "num_classes": job["num_classes"],
        "budget": job["budget"],
        "threat": Threat(**job["threat"]),
        "threats": {name: Threat(**threat) for name, threat in job["threats"].items()},
        "rng": np.random.Generator(np.random.PCG64(entropy)),
        "device": job["device"],
        "bounds": None if job["bounds"] is None else tuple(job["bounds"]),
        "deadline": job["deadline"],
    }


def _problem(job: Mapping[str, Any], folder: Path) -> Problem:
    pairs = tuple((source, target) for source, target in job["pairs"])
    return Problem(**_arrays(folder), **_common(job), pairs=pairs, split=job["split"])


def _defence_problem(job: Mapping[str, Any], folder: Path) -> DefenceProblem:
    recipes = {name: read(recipe, Recipe) for name, recipe in job["recipes"].items()}
    return DefenceProblem(**_arrays(folder), **_common(job), recipes=recipes)


def trainings() -> int:
    """Victim trainings that lnbench.surrogates counted in this process, 0 without it."""
    surrogates = sys.modules.get("lnbench.surrogates")
    return 0 if surrogates is None else int(surrogates.trainings_spent())


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
