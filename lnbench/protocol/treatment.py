"""A defender's answer as the referee keeps it: labels, weights, parts and fields of a recipe, as arrays and as JSON."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lnbench.protocol.bits import pack, unpack


@dataclass(frozen=True, eq=False)
class Treatment:
    """A defender's valid answer to one problem.

    Attributes:
        labels: (k, n) int64, what each of a victim's k networks is trained on.
        weights: (k, n) float32, at least 0; None if all count the same.
        partition: (n,) int64, which network's labels a point's label has an influence on, or −1; None if none is given.
        recipe: fields that replace the track's, JSON values.
        trainings: victims that the defender says it trained.
    """

    labels: np.ndarray
    weights: np.ndarray | None
    partition: np.ndarray | None
    recipe: Mapping[str, Any]
    trainings: int = 0

    def document(self, given: np.ndarray) -> dict[str, Any]:
        """The answer as JSON values, all but `trainings`.

        Args:
            given: the labels that the defender was given, (n,) int64.
        """
        weights: str | None = None
        if self.weights is not None:
            mask = self.weights > 0
            plain = bool((self.weights[mask] == 1).all())
            weights = f"bits:{pack(mask.reshape(-1))}" if plain else f"float32:{_base64(self.weights.astype('<f4'))}"
        return {
            "labels": [[[int(i), int(row[i])] for i in np.flatnonzero(row != given)] for row in self.labels],
            "weights": weights,
            "partition": None if self.partition is None else f"int16:{_base64(self.partition.astype('<i2'))}",
            "recipe": dict(self.recipe),
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any], given: np.ndarray) -> Treatment:
        """The answer that `document` describes; raises KeyError, TypeError or ValueError if it is not one's."""
        labels = np.repeat(np.asarray(given, dtype=np.int64)[None], len(document["labels"]), axis=0)
        for row, changes in zip(labels, document["labels"], strict=True):
            for index, new in changes:
                row[index] = new
        return cls(
            labels,
            weights_of(document["weights"], labels.shape),
            parts_of(document["partition"]) if document["partition"] else None,
            dict(document["recipe"]),
        )


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def weights_of(text: str | None, shape: tuple[int, ...]) -> np.ndarray | None:
    """The weights (k, n) float32 that a document has as text; raises ValueError if it has not."""
    if text is None:
        return None
    kind, _, data = text.partition(":")
    if kind == "bits":
        return unpack(data, shape[0] * shape[1]).reshape(shape).astype(np.float32)
    return np.frombuffer(base64.b64decode(data, validate=True), "<f4").reshape(shape).astype(np.float32)


def parts_of(text: str) -> np.ndarray:
    """The partition (n,) int64 that a document has as text; raises ValueError if it has not."""
    return np.frombuffer(base64.b64decode(text.removeprefix("int16:"), validate=True), "<i2").astype(np.int64)
