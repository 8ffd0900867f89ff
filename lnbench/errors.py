"""Errors, sorted by whose fault they are; everything else that is raised is a bug of lnbench.

Each message is one or two sentences a person can act on: what was expected, what came, where, what to do.
The command line turns the class into its exit code.
"""

from __future__ import annotations

from collections.abc import Iterable


class LnbenchError(Exception):
    """Base of every error lnbench raises on purpose."""

    exit_code: int = 4


class SubmissionError(LnbenchError):
    """The verdict on a submission is no: it crashed, hung, broke the contract or the budget.

    Attributes:
        log: what the submission printed before it ended, with its traceback; empty if it did not run. To be shown
            line by line behind a prefix: see `lnbench.poison.run.quoted`.
    """

    exit_code = 1
    log: str = ""


class RecordError(LnbenchError):
    """The verdict on a record is no: altered, malformed, inconsistent with itself or with the data."""

    exit_code = 1


class ProtocolError(LnbenchError):
    """A request that makes no sense: unknown track or parameter, a track file that breaks the rules."""

    exit_code = 2


class DataError(LnbenchError):
    """Data that should be here is missing, truncated or not what its checksum says."""

    exit_code = 3


class UnavailableError(LnbenchError):
    """Something this machine lacks: a sandbox, a GPU, the network, disk space."""

    exit_code = 3


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a sentence that refuses a name: those it may have meant, or all there are.

    >>> nearest("digts", ["digits", "mnist"]), nearest("x", ["digits", "mnist"]), nearest("x", [])
    ('did you mean digits?', 'there are: digits, mnist.', 'there are none.')
    """
    import difflib

    every = list(known)
    near = difflib.get_close_matches(name, every, n=2, cutoff=0.65)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are: {', '.join(every)}." if every else "there are none."
