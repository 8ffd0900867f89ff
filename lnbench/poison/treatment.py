"""Bytes from a defender's guest -> what its victims are trained on and how, or the verdict on why not.

The guest may send anything; what is checked here is law. What was checked is data: JSON that
the store and records hold.
"""

from __future__ import annotations

import struct
from typing import Annotated, Any

import msgspec
import numpy as np

from lnbench.errors import SubmissionError
from lnbench.poison.labels import TRAININGS
from lnbench.poison.training_bytes import HEADER_BYTES, MEMBERS
from lnbench.protocol.defended import defended_recipe
from lnbench.protocol.track import Track
from lnbench.protocol.treatment import Treatment

_Rows = Annotated[int, msgspec.Meta(ge=0, le=MEMBERS)]


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    """What an answer says that it holds."""

    labels: _Rows
    weights: _Rows
    subset: Annotated[int, msgspec.Meta(ge=-1)]
    partition: bool
    recipe: dict[str, Any]
    trainings: int


def decode(body: bytes, file: str, given: np.ndarray, track: Track) -> Treatment:
    """The training in an answer's body.

    Args:
        file: the submission's file name, for the verdict.
        given: the labels that the defender was given, (n,) int64.

    Raises:
        SubmissionError: the one sentence that says what is wrong.
    """
    header, arrays = _cut(body, file, len(given))
    labels, weights, subset, partition = arrays
    if not 0 <= header["trainings"] <= TRAININGS:
        raise SubmissionError(
            f"{file}: expected the victim trainings spent to be between 0 and {TRAININGS}, got {header['trainings']}; "
            "leave the count to lnbench.surrogates."
        )
    members = {len(rows) for rows in (labels, weights) if rows is not None and len(rows) > 1} or {1}
    if len(members) > 1:
        raise SubmissionError(
            f"{file}: expected as many rows of weights as of labels, or one, got {len(weights)} and {len(labels)}."
        )
    (number,) = members
    rows = np.broadcast_to(given if labels is None else labels, (number, len(given))).astype(np.int64)
    made = Treatment(
        rows,
        _counted(weights, subset, rows.shape, file),
        None if partition is None else partition[0],
        header["recipe"],
        header["trainings"],
    )
    check(made, file, given, track)
    return made


def check(made: Treatment, file: str, given: np.ndarray, track: Track) -> None:
    """Raise a SubmissionError unless an answer obeys range, classes, parts and recipe."""
    outside = np.argwhere((made.labels < 0) | (made.labels >= track.data.classes))
    if len(outside):
        row, i = outside[0]
        raise SubmissionError(
            f"{file}: expected labels in 0 … {track.data.classes - 1}, but point {i} has {int(made.labels[row, i])}; "
            "start from problem.labels.copy() and change only what you mean to."
        )
    trained = np.unique(made.labels if made.weights is None else made.labels[made.weights > 0])
    gone = np.setdiff1d(given, trained)
    if len(gone):
        raise SubmissionError(
            f"{file}: no point of class {int(gone[0])} is left to train on, of {int((given == gone[0]).sum())} that "
            "came; keep at least one point of every class."
        )
    if made.partition is not None:
        parts = len(made.labels)
        if parts == 1 or made.partition.min() < -1 or made.partition.max() >= parts:
            raise SubmissionError(
                f"{file}: expected a partition into the {parts} networks of a victim, at least two of them, numbered "
                f"from 0, or −1 for no part; got {int(made.partition.min())} … {int(made.partition.max())}."
            )
    for spec in track.victims:
        defended_recipe(spec, made.recipe, track, file)


def _cut(body: bytes, file: str, n: int) -> tuple[dict[str, Any], list[Any]]:
    """Header and arrays of a body: labels, weights, subset and partition as (row, …), or None."""

    def refuse(why: str) -> SubmissionError:
        return SubmissionError(
            f"{file}: expected the answer that lnbench's guest writes, got something else ({why}); return the training "
            "from defend() and write to no descriptor that you did not open."
        )

    if len(body) < 4 or (size := struct.unpack("<I", body[:4])[0]) > min(HEADER_BYTES, len(body) - 4):
        raise refuse("it breaks off")
    try:
        header = msgspec.json.decode(body[4 : 4 + size], type=_Header, strict=True)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise refuse("its header is not one") from None
    shapes = [
        (header.labels, n),
        (header.weights, n),
        (int(header.subset >= 0), header.subset),
        (int(header.partition), n),
    ]
    if header.subset > n or 8 * sum(rows * columns for rows, columns in shapes) != len(body) - 4 - size:
        raise refuse("its length is not what its header says")
    arrays, at = list[Any](), 4 + size
    for place, (rows, columns) in enumerate(shapes):
        kind = "<f8" if place == 1 else "<i8"
        values = np.frombuffer(body, kind, rows * columns, at)
        arrays.append(values.reshape(rows, columns) if rows else None)
        at += values.nbytes
    if arrays[2] is not None and (((arrays[2] < 0) | (arrays[2] >= n)).any()):
        raise refuse("its subset names points that are not there")
    return msgspec.structs.asdict(header), arrays


def _counted(
    weights: np.ndarray | None, subset: np.ndarray | None, shape: tuple[int, ...], file: str
) -> np.ndarray | None:
    """What every example counts, (k, n) float32; None if all count the same."""
    if weights is None and subset is None:
        return None
    counts = np.ones(shape, np.float32)
    if weights is not None:
        with np.errstate(over="ignore"):
            counts = np.broadcast_to(weights.astype(np.float32), shape).copy()
        wrong = np.argwhere(~(np.isfinite(counts) & (counts >= 0)))
        if len(wrong):
            row, i = wrong[0]
            came = float(weights[min(int(row), len(weights) - 1), i])
            raise SubmissionError(
                f"{file}: expected finite weights of at least 0, but point {i} has {came:g}; give points that shall "
                "not be trained on a weight of 0."
            )
    if subset is not None:
        inside = np.zeros(shape[1], dtype=bool)
        inside[subset[0]] = True
        counts[:, ~inside] = 0
    if not (counts > 0).any(1).all():
        raise SubmissionError(
            f"{file}: expected a point of weight above 0 for every network, got zeros alone; keep some points."
        )
    return counts
