"""The run that calibrates a track: `random_flip` on all of its splits and seeds, and what becomes of its numbers."""

from __future__ import annotations

import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnbench import record as records
from lnbench.errors import RecordError
from lnbench.evaluation import calibration, conductor, submissions
from lnbench.evaluation.progress import OnProgress, Progress
from lnbench.protocol import Track
from lnbench.record.record import Record


@dataclass(frozen=True)
class CalibrationRun:
    """One run of the poisoner that calibrates tracks.

    Attributes:
        record: its record.
        seconds: wall clock, None if some of it came from the store.
        peak_mib: resident memory of its largest process; None likewise.
    """

    record: Record
    seconds: float | None
    peak_mib: int | None


def run(track: Track, *, device: str, workers: int | None, on_progress: OnProgress) -> CalibrationRun:
    """Evaluate `random_flip` on a track as if its file said `calibrated = true`.

    Raises:
        SubmissionError, ProtocolError, DataError, UnavailableError: as `conductor.evaluate`.
    """
    reused = 0

    def notify(progress: Progress) -> None:
        nonlocal reused
        reused = max(reused, progress.reused)
        on_progress(progress)

    made = conductor.evaluate(
        submissions.load(calibration.POISONER),
        calibration.calibrated(track),
        device=device,
        workers=workers,
        on_progress=notify,
    )
    if reused:
        return CalibrationRun(made, None, None)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return CalibrationRun(made, made.document["run"]["seconds"], round(peak / 1024))


def numbers(track: Track, made: CalibrationRun, source: str) -> dict[str, Any]:
    """The calibration that a run gives a track; see `calibration.calibrate`.

    Args:
        source: where the record is from, for the verdict.

    Raises:
        RecordError: if it is a record of another track, or not that of a calibration run.
    """
    values = calibration.calibrate(made.record, seconds=made.seconds, peak_mib=made.peak_mib)
    if values["track_sha256"] != calibration.calibrated(track).sha256:
        raise RecordError(f"{source}: it is a record of another track or version than {track.name}.")
    return values


def of_record(path: Path) -> CalibrationRun:
    """The run that a record's file is of, which does not say what it took.

    Raises:
        RecordError: if it is not a record.
    """
    return CalibrationRun(records.read(path), None, None)
