"""The runs of one submission on one track: one sandboxed process a split, and some splits twice.

What each run's answer depends on is its name in the store. A run may be done in this process, or as a cell of an engine
by `run`, on any machine that has a sandbox.
"""

from __future__ import annotations

import dataclasses
import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Any

from lnbench import data, errors
from lnbench.errors import LnbenchError, UnavailableError
from lnbench.evaluation.code_hash import guest_code_sha256
from lnbench.evaluation.reuse import Result
from lnbench.evaluation.store import Store
from lnbench.poison import diagnosis
from lnbench.poison import sandbox as sandboxes
from lnbench.poison.run import PoisonedLabels, Submission, poison
from lnbench.protocol import Streams, Track, applied, changed

FUNCTION = "lnbench.evaluation.label_runs:run"
"""What a worker calls on `LabelRuns.cell`."""


class LabelRuns:
    """The runs of a submission on a track, splits first, then those that are done a second time.

    Args:
        mode: of the sandbox.
        splits: how many.
        twice: run some splits, drawn in secret, a second time; their answers have a store of their own, so that a
            resumed run finds both.
    """

    def __init__(
        self,
        submission: Submission,
        track: Track,
        streams: Streams,
        mode: str,
        splits: int,
        store: Store,
        *,
        twice: bool = False,
    ) -> None:
        self.submission, self.track, self.streams, self.mode = submission, track, streams, mode
        self.splits, self.repeats = splits, store.below("repeats")
        self._draw = {**labels_name(submission, track, streams, mode, 0), "split": None, "splits": splits}
        self.again = repeated(self._draw, self.repeats) if twice else []
        self.runs = [(split, store) for split in range(splits)] + [(split, self.repeats) for split in self.again]
        self.names = [labels_name(submission, track, streams, mode, split) for split, _ in self.runs]
        self._kept = False

    def load(self) -> list[Result | None]:
        """The stored answer of every run, or None."""
        stored = self.runs[0][1].get_all("labels", self.names[: self.splits]) if self.runs else []
        stored += self.repeats.get_all("labels", self.names[self.splits :]) if self.again else []
        return [_complete(result) for result in stored]

    def keep(self, i: int, result: Result) -> None:
        """Store the answer of a run, and, before the first, which runs are done twice."""
        if self.again and not self._kept and self.repeats.get("splits", self._draw) is None:
            self.repeats.put("splits", self._draw, {"splits": self.again})
        self._kept = True
        self.runs[i][1].put("labels", self.names[i], result)

    def cell(self, i: int) -> dict[str, Any]:
        """A run as a cell of an engine."""
        return {
            "track": self.track.document,
            "salt": self.streams.salt,
            "file": self.submission.file,
            "source": self.submission.source,
            "parameters": dict(self.submission.parameters),
            "sandbox": self.mode,
            "split": self.runs[i][0],
        }

    def answers(self, points: Sequence[data.Split], results: Sequence[Result]) -> tuple[list[PoisonedLabels], bool]:
        """The answer for every split, and whether those run twice gave the same labels both times."""
        made = [_restored(result, points[split]) for result, (split, _) in zip(results, self.runs, strict=True)]
        same = all((made[split].labels == made[i].labels).all() for i, split in enumerate(self.again, self.splits))
        return made[: self.splits], same


def run(cell: dict[str, Any], report: Callable[[float], None] = lambda share: None) -> Result:
    """One run, in a worker: the answer as it is stored, or the verdict as `{"error", "message", "log"}`.

    Raises:
        UnavailableError: if the machine has not the sandbox that the cell asks for; nothing of the submission runs.
    """
    if cell["sandbox"] != sandboxes.NONE and diagnosis.mode() != cell["sandbox"]:
        raise UnavailableError(
            f"a submission runs in {cell['sandbox']}, and it does not work on this node: {diagnosis.diagnose().reason}"
        )
    track, submission = Track.from_document(cell["track"]), _submission(cell)
    streams = Streams(track.root, cell["salt"])
    points = data.load(track, cell["split"], streams)
    try:
        made = poison_split(submission, track, points, streams, cell["split"], cell["sandbox"])
    except LnbenchError as error:
        return {"error": type(error).__name__, "message": str(error), "log": str(getattr(error, "log", ""))}
    return stored(made, points)


def verdict_of(result: Result) -> LnbenchError | None:
    """The error in place of an answer, or None."""
    if "error" not in result:
        return None
    error: LnbenchError = getattr(errors, result["error"])(result["message"])
    if isinstance(error, errors.SubmissionError):
        error.log = result["log"]
    return error


def poison_split(
    submission: Submission,
    track: Track,
    points: data.Split,
    streams: Streams,
    split: int,
    mode: str,
    cancel: threading.Event | None = None,
) -> PoisonedLabels:
    """The poisoner's answer for one split, from a process of its own; raises as `lnbench.poison.run.poison`."""
    return poison(submission, points, track, split, streams, mode=mode, cancel=cancel)


def labels_name(submission: Submission, track: Track, streams: Streams, mode: str, split: int) -> dict[str, Any]:
    """Everything that a run's answer depends on; its hash is the key in the store."""
    return {
        "track": track.sha256,
        "salt": streams.commitment,
        "source": submission.sha256,
        "parameters": dict(submission.parameters),
        "split": split,
        "sandbox": mode,
        "code": guest_code_sha256(),
    }


def repeated(draw: dict[str, Any], store: Store) -> list[int]:
    """Which splits are run twice: two, or one of two, and not the first alone.

    A poisoner that knew them could draw its luck on the others. They are drawn once for each row of a store, where they
    are kept beside the first labels, and do not enter the record.

    Args:
        draw: what the draw is for; `splits` is how many there are.
    """
    if (drawn := store.get("splits", draw)) is not None:
        return [int(split) for split in drawn["splits"]]
    splits = int(draw["splits"])
    among, number = (range(splits), 2) if splits > 2 else (range(splits - 1, splits), 1)
    return sorted(secrets.SystemRandom().sample(among, number))


_STORED = tuple(f.name for f in dataclasses.fields(PoisonedLabels) if f.name != "labels")


def stored(made: PoisonedLabels, points: data.Split) -> Result:
    """An answer as it is stored: the flips instead of all labels."""
    return {**{name: getattr(made, name) for name in _STORED}, "flips": changed(points.labels, made.labels)}


def _complete(result: Result | None) -> Result | None:
    """A stored answer, unless another version of lnbench stored it with other fields."""
    return result if result is not None and result.keys() == {*_STORED, "flips"} else None


def _restored(result: Result, points: data.Split) -> PoisonedLabels:
    """The answer that was stored."""
    fields = {name: value for name, value in result.items() if name != "flips"}
    return PoisonedLabels(labels=applied(points.labels, result["flips"]), **fields)


def _submission(cell: dict[str, Any]) -> Submission:
    return Submission.from_bytes(cell["file"], cell["source"].encode("utf-8"), cell["parameters"])
