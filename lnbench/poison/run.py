"""The parent's side: a submission's file goes in, valid labels come out, or the verdict on why not."""

from __future__ import annotations

import errno
import json
import math
import os
import signal
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from lnbench.errors import ProtocolError, SubmissionError, UnavailableError
from lnbench.poison import labels, process, sandbox, scratch
from lnbench.poison.labels import Details, Scalar, printable
from lnbench.poison.submission import Submission
from lnbench.protocol.seeds import Streams
from lnbench.protocol.track import Track

__all__ = ["PoisonedLabels", "Submission", "TrainingSet", "describe", "poison", "quoted"]

_DESCRIBE_SECONDS = 60.0
_MEMORY_GIB = 8.0
_GRACE = 0.1


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
        description, author, paper, license: what it says about itself; a stranger's text without control characters,
            to be escaped by whoever puts it into markdown or HTML.
        parameters: every parameter's value.
        overrides: those given on the command line that differ from their defaults: part of the row's identity.
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
    """Run a submission on one split, in a process of its own, and judge what it returns. Safe to call from threads.

    Args:
        data: the split's training set.
        mode: `"bubblewrap"` or `"none"`; see `lnbench.poison.diagnosis.mode`.
        seconds: wall clock, the track's limit if None.
        device: `"cpu"` or `"cuda"`, as the poisoner is told.
        threads: threads of the guest's numerical libraries.
        cancel: set from another thread, ends the guest.

    Raises:
        SubmissionError: the verdict, one sentence that names the file.
        ProtocolError: if a parameter given is not the submission's, or of another type.
        UnavailableError: if the sandbox does not start, or the disk is full.
        concurrent.futures.CancelledError: if `cancel` was set.
    """
    seconds = track.limits.seconds if seconds is None else seconds
    clean = np.ascontiguousarray(data.labels, dtype=np.int64)
    job = problem_of(data, track, split, streams, device)
    arrays: dict[str, np.ndarray] = {"inputs": np.ascontiguousarray(data.inputs, dtype=np.float32), "labels": clean}
    limits = _Limits(seconds, track.limits.memory_gib, track.limits.scratch_mib, threads, device == "cuda")
    outcome = _run(submission, job, arrays, limits, mode, labels.longest(len(clean)), cancel)
    _check_end(outcome, submission, limits)
    noise = track.noise
    answer = labels.decode(outcome.answer, submission.file, clean, track.data.classes, noise.budget, noise.pairs)
    details = answer.details
    return PoisonedLabels(
        answer.labels,
        answer.trainings,
        outcome.seconds,
        printable(outcome.log.decode("utf-8", errors="replace"), process.LOG_BYTES + 100, lines=True),
        details.description,
        details.author,
        details.paper,
        details.license,
        details.parameters,
        {k: v for k, v in details.parameters.items() if k in submission.parameters and v != details.defaults[k]},
        mode,
        outcome.memory_cap,
    )


def problem_of(data: TrainingSet, track: Track, split: int, streams: Streams, device: str = "cpu") -> dict[str, Any]:
    """What a guest is told of a split besides its arrays: JSON values."""
    noise, adversary = track.noise, track.adversary
    return {
        "describe": False,
        "num_classes": track.data.classes,
        "budget": noise.budget,
        "pairs": [list(pair) for pair in noise.pairs],
        "threat": {"norm": adversary.norm, "epsilon": adversary.epsilon, "steps": adversary.steps},
        "entropy": f"{streams.entropy('guest', split):x}",
        "split": split,
        "device": device,
        "bounds": None if data.bounds is None else list(data.bounds),
    }


def describe(submission: Submission, *, mode: str, seconds: float = _DESCRIBE_SECONDS) -> Details:
    """Load a submission in the sandbox without giving it a problem: what it says about itself, and its parameters.

    Raises:
        SubmissionError, ProtocolError, UnavailableError: as `poison`.
    """
    limits = _Limits(seconds, _MEMORY_GIB, 256, 1, False)
    outcome = _run(submission, {"describe": True}, {}, limits, mode, labels.longest(0), None)
    _check_end(outcome, submission, limits)
    return labels.description(outcome.answer, submission.file)


def quoted(log: str) -> str:
    """A guest's log for a terminal or a CI log: a prefix before each line, so that no line is a command to either."""
    return "\n".join(f"  | {line}" for line in log.splitlines())


@dataclass(frozen=True)
class _Limits:
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
    limits: _Limits,
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
                submission.source.encode("utf-8"),
                scratch_mib=limits.scratch_mib,
                threads=limits.threads,
                gpu=limits.gpu,
            )
            for name, array in arrays.items():
                _save(box.inputs / f"{name}.npy", array)
            rest = {
                "submission": str(box.seen_as(mode, box.submission) / submission.file),
                "parameters": dict(submission.parameters),
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


def _check_end(outcome: process.Outcome, submission: Submission, limits: _Limits) -> None:
    """Raise unless the guest ended by itself with an answer."""
    file, code = submission.file, outcome.code
    number = -code if code < 0 else code - 128 if code > 128 else 0
    if not outcome.answer.startswith(labels.MAGIC):  # the submission has not been loaded yet
        words = printable(outcome.log.decode("utf-8", errors="replace").strip().rpartition("\n")[2], 300)
        if outcome.stopped == "start":
            words = f"nothing happened in {process.START_SECONDS:g} s"
        raise UnavailableError(f"the sandbox did not start: {words or f'exit status {code}'}; see `lnbench doctor`.")
    if outcome.stopped == "time":
        raise SubmissionError(
            f"{file}: no labels after {limits.seconds:g} s, the limit for one split; return sooner, "
            "problem.seconds_left() tells how long there is."
        )
    if outcome.stopped == "memory":
        raise SubmissionError(
            f"{file}: its processes held more than {limits.memory_gib:g} GiB together, the limit; hold less at a time."
        )
    if outcome.stopped == "bytes":
        raise SubmissionError(
            f"{file}: more bytes came than an answer can have; return one label for each point and leave the result "
            "pipe to lnbench."
        )
    if number == signal.SIGXCPU:
        raise SubmissionError(
            f"{file}: it used more processor time than {limits.seconds:g} s, the limit for one split, allow; "
            "use fewer threads or return sooner."
        )
    if number:
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        raise SubmissionError(
            f"{file}: its process was killed by {name} before poison() returned; the log may say why."
        )
    if code or len(outcome.answer) == len(labels.MAGIC):
        raise SubmissionError(
            f"{file}: its process ended with exit status {code} before poison() returned; return the labels and "
            "leave exiting to lnbench."
        )
