"""Bytes from the guest -> labels, or the verdict on why not. The guest may send anything; what is checked here is law.

An answer is `MAGIC`, one byte for its kind, and for labels n little-endian int64 followed by one more: the victim
trainings that the poisoner says it spent. For a refusal it is the guest's own verdict, UTF-8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lnbench.characters import printable
from lnbench.errors import SubmissionError
from lnbench.poison.contract import POISONER, Contract

MAGIC = b"lnbench1"
"""Written by the guest before it loads the submission: an answer without it means that the sandbox never started."""

LABELS, TRAINING, REFUSAL = b"L", b"T", b"R"
"""Kinds of answer: labels; a defender's training; the guest's own verdict."""

MESSAGE_CHARACTERS = 600
TRAININGS = 10**9
_PREFIX = len(MAGIC) + 1
_MESSAGE_BYTES = 4 * MESSAGE_CHARACTERS


@dataclass(frozen=True, eq=False)
class Labels:
    """A valid answer.

    Attributes:
        labels: (n,) int64, within the track's range, pairs and budget.
        trainings: victim trainings the poisoner says it spent.
    """

    labels: np.ndarray
    trainings: int


def longest(n: int) -> int:
    """The most bytes an answer to a problem of n labels may have."""
    return _PREFIX + max(_MESSAGE_BYTES, 8 * (n + 1))


def decode(
    stream: bytes, file: str, clean: np.ndarray, num_classes: int, budget: int, pairs: Sequence[tuple[int, int]]
) -> Labels:
    """The labels in an answer.

    Args:
        stream: all bytes that came from the guest.
        file: the submission's file name, for the verdict.
        clean: the true labels, (n,) int64.
        num_classes: labels are 0 … num_classes − 1.
        budget: the most labels that may differ from `clean`.
        pairs: ((source, target), …): a changed label must move along one of them.

    Raises:
        SubmissionError: the one sentence that says what is wrong.
    """
    body = body_of(stream, file, LABELS, POISONER)
    n = len(clean)
    if len(body) != 8 * (n + 1):
        raise SubmissionError(
            f"{file}: expected {n} labels and the count of trainings, {8 * (n + 1)} bytes, but {len(body)} bytes came; "
            "return one label for each point and leave the result pipe to lnbench."
        )
    values = np.frombuffer(body, dtype="<i8").astype(np.int64)
    labels, trainings = values[:n], int(values[n])
    if not 0 <= trainings <= TRAININGS:
        raise SubmissionError(
            f"{file}: expected the victim trainings spent to be between 0 and {TRAININGS}, got {trainings}; "
            "leave the count to lnbench.surrogates."
        )
    check_labels(labels, file, clean, num_classes, budget, pairs)
    return Labels(labels, trainings)


def check_labels(
    labels: np.ndarray, file: str, clean: np.ndarray, num_classes: int, budget: int, pairs: Sequence[tuple[int, int]]
) -> None:
    """Raise a SubmissionError unless `labels`, (n,) int64, obey range, pairs and budget."""
    outside = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(outside):
        i = int(outside[0])
        raise SubmissionError(
            f"{file}: expected labels in 0 … {num_classes - 1}, but point {i} has {int(labels[i])}; "
            "start from problem.labels.copy() and change only what you mean to."
        )
    moves = ", ".join(f"{source} → {target}" for source, target in pairs)
    changed = np.flatnonzero(labels != clean)
    sources = {source for source, _ in pairs}
    allowed = set(pairs)
    for i in changed.tolist():
        old, new = int(clean[i]), int(labels[i])
        if old not in sources:
            raise SubmissionError(
                f"{file}: expected changes along {moves} only, but point {i} of class {old} became {new}; "
                "problem.eligible lists the points that may change."
            )
        if (old, new) not in allowed:
            raise SubmissionError(
                f"{file}: expected changes along {moves} only, but point {i} went {old} → {new}; "
                "problem.flipped(indices) moves each point along its pair."
            )
    if len(changed) > budget:
        raise SubmissionError(
            f"{file}: expected at most {budget} changed labels, got {len(changed)}; change no more than problem.budget."
        )


def body_of(stream: bytes, file: str, wanted: bytes, contract: Contract) -> bytes:
    """What follows the kind of an answer of the kind that is wanted; a refusal is raised.

    Raises:
        SubmissionError: with the guest's own verdict, or because these are not bytes that it wrote.
    """
    if not stream.startswith(MAGIC):
        raise _foreign(file, contract, "it starts with other bytes")
    if len(stream) < _PREFIX:
        raise _foreign(file, contract, "it breaks off")
    kind, body = stream[len(MAGIC) : _PREFIX], stream[_PREFIX:]
    if kind == REFUSAL:
        message = printable(body.decode("utf-8", errors="replace"), MESSAGE_CHARACTERS)
        raise SubmissionError(f"{file}: {message}") if message else _foreign(file, contract, "its message is missing")
    if kind != wanted:
        raise _foreign(file, contract, "it is of no known kind")
    return body


def _foreign(file: str, contract: Contract, why: str) -> SubmissionError:
    return SubmissionError(
        f"{file}: expected the answer that lnbench's guest writes, got something else ({why}); "
        f"return the {contract.answer} from {contract.method}() and write to no descriptor that you did not open."
    )
