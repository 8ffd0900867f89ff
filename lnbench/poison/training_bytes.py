"""A defender's `Training` as bytes, written in the guest: a header, then the arrays that it names.

An answer's body is the length of the header (4 bytes, little-endian), the header (JSON), and, in this order, what the
header says is there: labels (members · n int64), weights (members or 1 · n float64), subset (int64 each) and partition
(n int64), all little-endian.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from lnbench.protocol.defender import Training
from lnbench.protocol.poisoner import places

HEADER_BYTES = 1 << 14
"""The most bytes of a header."""
MEMBERS = 32
"""The most networks of one victim."""


def encode(result: Any, n: int, trainings: int) -> bytes:
    """The body of the answer for a problem of n points.

    Args:
        trainings: victims that the defender trained.

    Raises:
        ValueError: in a sentence, if it is not a training of n points that can be sent.
    """
    if not isinstance(result, Training):
        kind = "None; end it with `return lnbench.Training(…)`" if result is None else f"a {type(result).__name__}"
        raise ValueError(f"expected defend() to return a lnbench.Training, got {kind}.")
    labels = None if result.labels is None else _array(result.labels, "labels", "iu", n)
    weights = None if result.weights is None else _array(result.weights, "weights", "iufb", n)
    partition = None if result.partition is None else _array(result.partition, "partition", "iu", n, rows=False)
    try:
        subset = None if result.subset is None else places(result.subset, n)
    except ValueError as error:
        raise ValueError(f"subset: {error}.") from None
    header = {
        "labels": 0 if labels is None else len(labels),
        "weights": 0 if weights is None else len(weights),
        "subset": -1 if subset is None else len(subset),
        "partition": partition is not None,
        "recipe": _recipe(result.recipe),
        "trainings": trainings,
    }
    text = json.dumps(header).encode()
    if len(text) > HEADER_BYTES:
        raise ValueError(f"expected a recipe of at most {HEADER_BYTES} bytes as JSON, got {len(text)}.")
    parts = [(labels, "<i8"), (weights, "<f8"), (subset, "<i8"), (partition, "<i8")]
    return struct.pack("<I", len(text)) + text + b"".join(a.astype(k).tobytes() for a, k in parts if a is not None)


def longest(n: int) -> int:
    """The most bytes that a body for n points may have."""
    return 4 + HEADER_BYTES + 8 * n * (2 * MEMBERS + 2)


def _array(given: Any, name: str, kinds: str, n: int, rows: bool = True) -> np.ndarray:
    """What was given as (row, n) numbers."""
    want = (
        f"{name}: expected {n} {'numbers' if 'f' in kinds else 'integers'}{', or rows of them' if rows else ''}, got "
    )
    try:
        array = np.asarray(given)
    except Exception as error:  # a ragged list, a tensor on another device
        raise ValueError(f"{want}a {type(given).__name__} that is not an array ({error}).") from None
    if array.dtype.kind not in kinds:
        raise ValueError(f"{want}values of type {array.dtype}.")
    if array.shape != (n,) and not (rows and array.ndim == 2 and array.shape[1] == n and len(array)):
        raise ValueError(f"{want}shape {array.shape}.")
    if len(array) > MEMBERS and array.ndim == 2:
        raise ValueError(f"{want}{len(array)} rows; a victim is at most {MEMBERS} networks.")
    if array.dtype == np.uint64 and int(array.max()) >= 2**63:
        raise ValueError(f"{want}{int(array.max())}.")
    return array.reshape(-1, n)


def _recipe(given: Any) -> dict[str, Any]:
    """The recipe's fields as JSON values."""
    if not isinstance(given, Mapping):
        raise ValueError(
            f'recipe: expected fields by name, such as {{"label_smoothing": 0.1}}, got a {type(given).__name__}.'
        )
    plain = {str(name): value.item() if isinstance(value, np.generic) else value for name, value in given.items()}
    try:
        json.dumps(plain, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"recipe: expected numbers, text, true and false, got what JSON cannot hold ({error})."
        ) from None
    return plain
