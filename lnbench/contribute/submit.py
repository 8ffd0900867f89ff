"""The steps from a file to a pull request's text: who made it, whether its labels hold, what it scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lnbench import record as records
from lnbench.contribute import pull_request, template
from lnbench.contribute.metadata import check_metadata
from lnbench.errors import RecordError, SubmissionError, UnavailableError
from lnbench.evaluation import conductor
from lnbench.evaluation.progress import OnProgress
from lnbench.files import write_atomically
from lnbench.poison.reading import Details
from lnbench.poison.submission import Submission
from lnbench.protocol import Track
from lnbench.record.record import Record, meaning

_FIRST_LOOK = ("quick", "replication")
"""Flags of records with fewer splits and seeds than a row has."""


def described(submission: Submission) -> Details:
    """What a submission's text says about it, with an author and a licence.

    Raises:
        SubmissionError: if it does not say enough.
    """
    check_metadata(submission.details, submission.file)
    return submission.details


def check_own_idea(submission: Submission) -> None:
    """Raise SubmissionError if a file's flips are still the random ones that `lnbench new` wrote into it."""
    if template.untouched(submission.source):
        raise SubmissionError(
            f"{submission.file}: its {submission.contract.method}() is still the one that `lnbench new` wrote; put "
            "your idea there first."
        )


def scored(
    submission: Submission,
    track: Track,
    *,
    sandbox: str,
    device: str,
    workers: int | None,
    on_checked: Callable[[], None],
    on_progress: OnProgress,
    on_log: Callable[[int, str], None] | None = None,
) -> Record:
    """Check a submission's labels on the first split, which takes seconds, and then evaluate it in full.

    Args:
        on_checked: called once the labels are valid.
        on_log: called with each split and what the submission printed on it.

    Raises:
        SubmissionError, ProtocolError, DataError, UnavailableError: as `conductor.evaluate`.
    """
    conductor.check(submission, track, sandbox=sandbox)
    on_checked()
    return conductor.evaluate(
        submission,
        track,
        sandbox=sandbox,
        device=device,
        workers=workers,
        on_progress=on_progress,
        on_log=on_log,
    )


def made_before(path: Path, submission: Submission) -> Record:
    """The record in a file, if it was made from exactly this submission.

    Raises:
        RecordError: if it was not, is not a record, or has fewer splits and seeds than the track.
    """
    record = records.read(path)
    pull_request.check_same(record, submission)
    for flag in record.flags:
        if flag in _FIRST_LOOK:
            raise RecordError(f"{path}: {meaning(flag)} Evaluate the file in full, or leave out --record.")
    return record


def write_text(record: Record, path: Path) -> Path:
    """Write the text of a record's pull request beside it, as `<record>.md`; returns its file.

    Raises:
        UnavailableError: if the place cannot be written.
    """
    text = path.with_suffix(".md")
    try:
        write_atomically(text, pull_request.text(record).encode())
    except OSError as error:
        raise UnavailableError(f"the pull request's text cannot be written to {text}: {error.strerror}.") from None
    return text
