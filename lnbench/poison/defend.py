"""The parent's side of a defence: its file and some labels go in, a valid training comes out, or the verdict."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from lnbench.poison.contract import DEFENDER
from lnbench.poison.labels import TRAINING, body_of, longest
from lnbench.poison.run import TrainingSet, ask, limits_of, threat_of
from lnbench.poison.submission import Submission
from lnbench.poison.training_bytes import longest as longest_training
from lnbench.poison.treatment import decode
from lnbench.protocol.seeds import Streams
from lnbench.protocol.track import Track
from lnbench.protocol.treatment import Treatment


@dataclass(frozen=True, eq=False)
class Defended:
    """A defender's valid answer to one problem, and what came with it.

    Attributes:
        treatment: what its victims are trained on, and how.
        seconds: wall clock of the process.
        log: what it printed, safe to show line by line behind a prefix.
    """

    treatment: Treatment
    seconds: float
    log: str


def defend(
    submission: Submission,
    data: TrainingSet,
    labels: np.ndarray,
    track: Track,
    split: int,
    streams: Streams,
    *,
    mode: str,
    budget: int | None,
    seconds: float | None = None,
    cancel: threading.Event | None = None,
) -> Defended:
    """Run a defender on one set of labels, in a process of its own, and check what it returns.

    The guest is told nothing in which a clean, a random and a poisoned set of labels of a split differ but the labels.

    Args:
        submission: of the contract `DEFENDER`.
        data: the split's training set, whose own labels are not handed over.
        labels: (n,) int64, those that the defender is given.
        mode: `"bubblewrap"` or `"none"`.
        budget: the most labels that may be wrong, as the defender is told; None if it is not.
        seconds: wall clock, the track's limit if None.
        cancel: set from another thread, ends the guest.

    Raises:
        SubmissionError, ProtocolError, UnavailableError, concurrent.futures.CancelledError: as
            `lnbench.poison.run.poison`.
    """
    given = np.ascontiguousarray(labels, dtype=np.int64)

    def answer(stream: bytes) -> Treatment:
        return decode(body_of(stream, submission.file, TRAINING, DEFENDER), submission.file, given, track)

    treatment, outcome, log = ask(
        submission,
        {**problem_of(data, track, split, streams, budget), "parameters": submission.values},
        {"inputs": data.inputs, "labels": given},
        limits_of(track, seconds, 1, "cpu"),
        answer,
        mode=mode,
        most=longest(0) + longest_training(len(given)),
        cancel=cancel,
    )
    return Defended(treatment, outcome.seconds, log)


def problem_of(data: TrainingSet, track: Track, split: int, streams: Streams, budget: int | None) -> dict[str, Any]:
    """What a defender's guest is told besides its arrays: JSON values, the same for all labels of a split."""
    return {
        "num_classes": track.data.classes,
        "budget": budget,
        "threat": threat_of(track, track.adversary.epsilon),
        "threats": {spec.name: threat_of(track, track.epsilon(spec)) for spec in track.victims},
        "recipes": {spec.name: msgspec.to_builtins(spec.recipe) for spec in track.victims},
        "entropy": f"{streams.entropy('defender', split):x}",
        "device": "cpu",
        "bounds": None if data.bounds is None else list(data.bounds),
    }
