"""The parent's side: a submission's file goes in, valid labels come out, or the verdict on why not."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from lnbench.characters import printable, quoted
from lnbench.errors import ProtocolError, SubmissionError, UnavailableError
from lnbench.poison import labels, process, sandbox, scratch
from lnbench.poison.reading import Scalar
from lnbench.poison.source import compiled_text
from lnbench.poison.submission import Submission
from lnbench.protocol.seeds import Streams
from lnbench.protocol.track import Track

__all__ = ["PoisonedLabels", "Submission", "TrainingSet", "poison", "quoted"]

_GRACE = 0.1
T = TypeVar("T")


class TrainingSet(Protocol):
    """What is handed to a poisoner of a split; `lnbench.data.Split` is one."""

    @property
    def inputs(self) -> np.ndarray:
        """(n, *shape) float32."""

    @property
    def labels(self) -> np.ndarray:
        """(n,) int64."""

    @property
    def bounds(self) -> tuple[float, float] | None:
        """Smallest and largest value of an input, or None."""


@dataclass(frozen=True, eq=False)
class PoisonedLabels:
    """A poisoner's valid answer for one split.

    Attributes:
        labels: (n,) int64, within range, pairs and budget.
        trainings: victim trainings the poisoner says it spent.
        seconds: wall clock of the process.
        log: what it printed, first and last 32 kB, safe to show line by line behind a prefix: see `quoted`.
        description, author, paper, license: what its text says about it; a stranger's words without unseen characters,
            to be escaped by whoever puts them into markdown or HTML.
        parameters: every parameter's value, as it was handed over.
        overrides: those given on the command line that differ from the defaults in the text: part of the row's
            identity.
        sandbox: `"bubblewrap"` or `"none"`.
        memory_cap: what bounded the memory of all its processes: `"cgroup"`, `"watched"` or `"process"` (each alone).
    """

    labels: np.ndarray
    trainings: int
    seconds: float
    log: str
    description: str
    author: str
    paper: str
    license: str
    parameters: Mapping[str, Scalar]
    overrides: Mapping[str, Scalar]
    sandbox: str
    memory_cap: str


def poison(
    submission: Submission,
    data: TrainingSet,
    track: Track,
    split: int,
    streams: Streams,
    *,
    mode: str,
    seconds: float | None = None,
    device: str = "cpu",
    threads: int = 1,
    cancel: threading.Event | None = None,
) -> PoisonedLabels:
    """Run a submission on one split, in a process of its own, and check what it returns. Safe to call from threads.

    Args:
        data: the split's training set.
        mode: `"bubblewrap"` or `"none"`; see `lnbench.poison.diagnosis.mode`.
        seconds: wall clock, the track's limit if None.
        device: `"cpu"` or `"cuda"`, as the poisoner is told.
        threads: threads of the guest's numerical libraries.
        cancel: set from another thread, ends the guest.

    Raises:
        SubmissionError: the verdict, one sentence that names the file; with what the submission printed as its `log`.
        ProtocolError: if a parameter given is not the submission's, or of another type.
        UnavailableError: if the sandbox does not start, or the disk is full.
        concurrent.futures.CancelledError: if `cancel` was set.
    """
    clean = np.ascontiguousarray(data.labels, dtype=np.int64)
    details, values = submission.details, submission.values
    answer, outcome, log = ask(
        submission,
        {**problem_of(data, track, split, streams, device), "parameters": values},
        {"inputs": data.inputs, "labels": clean},
        limits_of(track, seconds, threads, device),
        lambda stream: labels.decode(
            stream, submission.file, clean, track.data.classes, track.noise.budget, track.pairs(split)
        ),
        mode=mode,
        most=labels.longest(len(clean)),
        cancel=cancel,
    )
    return PoisonedLabels(
        answer.labels,
        answer.trainings,
        outcome.seconds,
        log,
        details.description,
        details.author,
        details.paper,
        details.license,
        values,
        submission.overrides,
        mode,
        outcome.memory_cap,
    )


def ask(
    submission: Submission,
    job: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    limits: Limits,
    decode: Callable[[bytes], T],
    *,
    mode: str,
    most: int,
    cancel: threading.Event | None = None,
) -> tuple[T, process.Outcome, str]:
    """Run a submission's guest once.

    Args:
        job: what the guest is told besides its arrays, JSON values.
        arrays: `inputs`, which become float32, and `labels`, int64.
        decode: makes an answer of the bytes that came; raises SubmissionError with the verdict.
        most: bytes that an answer may have.

    Returns:
        The answer, what came of the process, and its log, safe to show line by line behind a prefix.

    Raises:
        SubmissionError, UnavailableError, concurrent.futures.CancelledError: as `poison`.
    """
    kinds = {"inputs": np.float32, "labels": np.int64}
    given = {name: np.ascontiguousarray(array, dtype=kinds[name]) for name, array in arrays.items()}
    outcome = _run(submission, {**job, "contract": submission.contract.base}, given, limits, mode, most, cancel)
    log = printable(outcome.log.decode("utf-8", errors="replace"), process.LOG_BYTES + 100, lines=True)
    try:
        _check_end(outcome, submission, limits)
        return decode(outcome.answer), outcome, log
    except SubmissionError as error:
        error.log = log
        raise


def limits_of(track: Track, seconds: float | None, threads: int, device: str) -> Limits:
    """What a guest may use on a track; `seconds` are the track's if None."""
    seconds = track.limits.seconds if seconds is None else seconds
    return Limits(seconds, track.limits.memory_gib, track.limits.scratch_mib, threads, device == "cuda")


def problem_of(data: TrainingSet, track: Track, split: int, streams: Streams, device: str = "cpu") -> dict[str, Any]:
    """What a guest is told of a split besides its arrays: JSON values."""
    factor = next(iter(track.factors(split).values())) if track.noise.rotate else 1.0
    return {
        "num_classes": track.data.classes,
        "budget": track.noise.budget,
        "pairs": [list(pair) for pair in track.pairs(split)],
        "threat": threat_of(track, factor * track.adversary.epsilon),
        "threats": {spec.name: threat_of(track, factor * track.epsilon(spec)) for spec in track.victims},
        "entropy": f"{streams.entropy('guest', split):x}",
        "split": split,
        "device": device,
        "bounds": None if data.bounds is None else list(data.bounds),
    }


def threat_of(track: Track, epsilon: float) -> dict[str, Any]:
    """The fields of the threat at a radius."""
    return {"norm": track.adversary.norm, "epsilon": epsilon, "steps": track.adversary.steps}


@dataclass(frozen=True)
class Limits:
    """What one guest may use."""

    seconds: float
    memory_gib: float
    scratch_mib: int
    threads: int
    gpu: bool

    @property
    def memory_bytes(self) -> int | None:
        """CUDA reserves far more address space than it uses, so that a GPU guest has no such limit."""
        return None if self.gpu else int(self.memory_gib * 2**30)

    def resources(self, mode: str) -> dict[str, tuple[int, int]]:
        """Resource limits by name, (soft, hard)."""
        cpu = math.ceil(self.seconds * max(2, self.threads)) + 5
        scratch = self.scratch_mib << 20
        processes = process.PROCESSES + sandbox.processes_counted(mode)
        limits = {
            "RLIMIT_CPU": (cpu, cpu + 1),
            "RLIMIT_FSIZE": (scratch, scratch),
            "RLIMIT_NPROC": (processes, processes),
            "RLIMIT_NOFILE": (256, 256),
            "RLIMIT_CORE": (0, 0),
        }
        if self.memory_bytes is not None:
            limits["RLIMIT_AS"] = (self.memory_bytes, self.memory_bytes)
        return limits


def _run(
    submission: Submission,
    job: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    limits: Limits,
    mode: str,
    most: int,
    cancel: threading.Event | None,
) -> process.Outcome:
    if mode not in sandbox.MODES:
        raise ProtocolError(f"expected a sandbox of {', '.join(sandbox.MODES)}, got {mode!r}.")
    try:
        with scratch.folder() as folder:
            box = sandbox.make_box(
                folder,
                b"",
                submission.file,
                compiled_text(submission.source).encode("utf-8"),
                scratch_mib=limits.scratch_mib,
                threads=limits.threads,
                gpu=limits.gpu,
            )
            for name, array in arrays.items():
                _save(box.inputs / f"{name}.npy", array)
            rest = {
                "submission": str(box.seen_as(mode, box.submission) / submission.file),
                "limits": limits.resources(mode),
                "memory_gib": limits.memory_gib,
                "parent": 0 if mode == sandbox.BUBBLEWRAP else os.getpid(),
                "seconds": limits.seconds,
            }
            (box.inputs / "job.json").write_text(json.dumps({**job, **rest}), encoding="utf-8")
            return process.run(
                box,
                mode,
                most=most,
                seconds=limits.seconds + min(1.0, _GRACE * limits.seconds),  # for those who use their time to the last
                memory_bytes=limits.memory_bytes,
                cancel=cancel,
            )
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise UnavailableError(
                f"the temporary folder {tempfile.gettempdir()} cannot take one split's data ({error.strerror}); "
                "free some space or set TMPDIR."
            ) from None
        raise


def _save(path: Path, array: np.ndarray) -> None:
    """Write a contiguous array as .npy, readable for all; np.save would report a full disk without its errno."""
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.data)
    path.chmod(0o644)


def _check_end(outcome: process.Outcome, submission: Submission, limits: Limits) -> None:
    """Raise unless the guest ended by itself with an answer."""
    file, code, contract = submission.file, outcome.code, submission.contract
    called, answer = f"{contract.method}()", contract.answer
    number = -code if code < 0 else code - 128 if code > 128 else 0
    if not outcome.answer.startswith(labels.MAGIC):  # the submission has not been loaded yet
        words = printable(outcome.log.decode("utf-8", errors="replace").strip().rpartition("\n")[2], 300)
        if outcome.stopped == "start":
            words = f"nothing happened in {process.START_SECONDS:g} s"
        raise UnavailableError(f"the sandbox did not start: {words or f'exit status {code}'}; see `lnbench doctor`.")
    if outcome.stopped == "time":
        raise SubmissionError(
            f"{file}: no {answer} after {limits.seconds:g} s, the limit for one split; return sooner, "
            "problem.seconds_left() tells how long there is."
        )
    if outcome.stopped == "memory":
        raise SubmissionError(
            f"{file}: its processes held more than {limits.memory_gib:g} GiB together, the limit; hold less at a time."
        )
    if outcome.stopped == "bytes":
        raise SubmissionError(
            f"{file}: more bytes came than an answer can have; return {contract.all_of_it} and leave the result "
            "pipe to lnbench."
        )
    if number == signal.SIGXCPU:
        raise SubmissionError(
            f"{file}: it used more processor time than {limits.seconds:g} s, the limit for one split, allow; "
            "use fewer threads or return sooner."
        )
    if number:
        raise SubmissionError(f"{file}: its process was killed by {_signal(number)} before {called} returned.")
    if code or len(outcome.answer) == len(labels.MAGIC):
        raise SubmissionError(
            f"{file}: its process ended with exit status {code} before {called} returned; return the {answer} and "
            "leave exiting to lnbench."
        )


def _signal(number: int) -> str:
    """A signal's name, and what it usually means of a guest."""
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    if number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL):
        return f"{name}, as a crash of a library it calls is,"
    return f"{name}, as the end of room in /dev/shm or /tmp is," if number == signal.SIGBUS else name
