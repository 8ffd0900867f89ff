"""Bytes from the guest -> labels, or the verdict on why not. The guest may send anything; what is checked here is law.

An answer is `MAGIC`, one byte for its kind, the length of a JSON header (4 bytes, little-endian), the header, and for
labels n little-endian int64 followed by one more: the victim trainings that the poisoner says it spent.
"""

from __future__ import annotations

import json
import math
import re
import struct
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lnbench.errors import ProtocolError, SubmissionError

MAGIC = b"lnbench1"
"""Written by the guest before it loads the submission: an answer without it means that the sandbox never started."""

LABELS, DESCRIPTION, REFUSAL, USAGE = b"L", b"D", b"R", b"U"
"""Kinds of answer: labels; a description only; the guest's own verdict; a parameter of the command line is wrong."""

HEADER_BYTES = 16384
MESSAGE_CHARACTERS = 600
TRAININGS = 10**9
_PREFIX = len(MAGIC) + 5
_TEXTS = {"description": 200, "author": 100, "paper": 300, "license": 60}
_PARAMETERS, _TEXT = 64, 200
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}

Scalar = bool | int | float | str


@dataclass(frozen=True)
class Details:
    """What a poisoner says about itself: text of a stranger, one line each, bounded and without control characters.

    Attributes:
        description: first line of the class's docstring.
        author, paper, license: the class attributes of these names.
        parameters: every parameter's value in this run.
        defaults: every parameter's default.
    """

    description: str = ""
    author: str = ""
    paper: str = ""
    license: str = ""
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    defaults: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Labels:
    """A valid answer.

    Attributes:
        labels: (n,) int64, within the track's range, pairs and budget.
        trainings: victim trainings the poisoner says it spent.
        details: what it says about itself.
    """

    labels: np.ndarray
    trainings: int
    details: Details


def longest(n: int) -> int:
    """The most bytes an answer with n labels may have."""
    return _PREFIX + HEADER_BYTES + 8 * (n + 1)


def printable(text: str, limit: int, *, lines: bool = False) -> str:
    """A stranger's text made safe to show: at most `limit` characters, none of them controlling or invisible.

    Args:
        lines: keep line breaks and tabs; otherwise every run of white space becomes one space.
    """
    text = text[: 4 * limit]
    text = re.sub(r"\r\n?", "\n", text) if lines else " ".join(text.split())
    keep = "\n\t" if lines else ""
    shown = "".join(c if c in keep else _shown(c) for c in text)
    shown = shown.replace("##[", "## [")
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _shown(character: str) -> str:
    category = unicodedata.category(character)
    return " " if category == "Zs" else "\N{REPLACEMENT CHARACTER}" if category in _HIDDEN else character


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
        ProtocolError: a parameter given on the command line is not one of the submission's.
    """
    kind, header, body = _parts(stream, file)
    if kind != LABELS:
        raise _foreign(file, "it has no labels")
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
    return Labels(labels, trainings, _details(header, file))


def description(stream: bytes, file: str) -> Details:
    """What the poisoner says about itself, of an answer to a request for that only.

    Raises:
        SubmissionError, ProtocolError: as `decode`.
    """
    kind, header, body = _parts(stream, file)
    if kind != DESCRIPTION or body:
        raise _foreign(file, "it is no description")
    return _details(header, file)


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


def _foreign(file: str, why: str) -> SubmissionError:
    return SubmissionError(
        f"{file}: expected the answer that lnbench's guest writes, got something else ({why}); "
        "return the labels from poison() and write to no descriptor that you did not open."
    )


def _parts(stream: bytes, file: str) -> tuple[bytes, dict[str, Any], bytes]:
    if not stream.startswith(MAGIC):
        raise _foreign(file, "it starts with other bytes")
    if len(stream) < _PREFIX:
        raise _foreign(file, "it breaks off")
    kind = stream[len(MAGIC) : len(MAGIC) + 1]
    if kind not in (LABELS, DESCRIPTION, REFUSAL, USAGE):
        raise _foreign(file, "it is of no known kind")
    (size,) = struct.unpack("<I", stream[len(MAGIC) + 1 : _PREFIX])
    raw, body = stream[_PREFIX : _PREFIX + size], stream[_PREFIX + size :]
    if size > HEADER_BYTES or len(raw) != size:
        raise _foreign(file, "its header has the wrong length")
    try:
        header = json.loads(raw.decode("utf-8"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise _foreign(file, "its header is no JSON") from None
    if not isinstance(header, dict):
        raise _foreign(file, "its header is no JSON object")
    if kind in (REFUSAL, USAGE):
        message = header.get("message")
        if body or not isinstance(message, str) or not message:
            raise _foreign(file, "its message is missing")
        error = SubmissionError if kind == REFUSAL else ProtocolError
        raise error(f"{file}: {printable(message, MESSAGE_CHARACTERS)}")
    return kind, header, body


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


def _details(header: Mapping[str, Any], file: str) -> Details:
    texts: dict[str, str] = {}
    for key, limit in _TEXTS.items():
        value = header.get(key, "")
        if not isinstance(value, str):
            raise _foreign(file, f"its {key} is no text")
        texts[key] = printable(value, limit)
    parameters = _scalars(header.get("parameters", {}), file)
    defaults = _scalars(header.get("defaults", {}), file)
    if parameters.keys() != defaults.keys():
        raise _foreign(file, "parameters and defaults differ in their names")
    return Details(**texts, parameters=parameters, defaults=defaults)


def _scalars(values: Any, file: str) -> dict[str, Scalar]:
    if not isinstance(values, dict) or len(values) > _PARAMETERS:
        raise _foreign(file, f"it names more than {_PARAMETERS} parameters")
    for name, value in values.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", name):
            raise _foreign(file, "a parameter's name is no ASCII identifier")
        if not isinstance(value, (bool, int, float, str)):
            raise _foreign(file, f"parameter {name} is neither number, bool nor text")
        if isinstance(value, int) and abs(value) >= 2**63:
            raise _foreign(file, f"parameter {name} needs more than 64 bits")
        if isinstance(value, float) and not math.isfinite(value):
            raise _foreign(file, f"parameter {name} is not finite")
    return {name: printable(v, _TEXT) if isinstance(v, str) else v for name, v in values.items()}
