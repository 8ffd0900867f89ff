"""Names that a submission may not have: those of the bundled attacks, and those that can be taken for one."""

from __future__ import annotations

from lnbench.confusable import skeleton
from lnbench.errors import SubmissionError
from lnbench.evaluation import bundled
from lnbench.poison.submission import Submission
from lnbench.protocol import sha256


def trouble(name: str) -> str:
    """Why a submission may not have a name, in one sentence; empty if it may."""
    for other in bundled.attacks():
        if other == name:
            return f"{name} is the name of a bundled attack, which a submission may not have; choose another."
        if skeleton(other) == skeleton(name):
            return f"{name} can be taken for {other}, the name of a bundled attack; choose another."
    return ""


def check(submission: Submission, *, attacks: bool) -> None:
    """Raise SubmissionError if a submission may not have its name.

    Args:
        attacks: let the bundled attacks themselves pass.
    """
    own = bundled.attacks().get(submission.name)
    if attacks and own is not None and sha256(own.read_bytes()) == submission.sha256:
        return
    if why := trouble(submission.name):
        raise SubmissionError(f"{submission.file}: {why}")
