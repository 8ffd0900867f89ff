"""What a cell's victims are trained on where a defence has a say in it: labels, weights, recipe, several networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lnbench.protocol import Streams, Track, VictimSpec
from lnbench.protocol.defended import defended_recipe
from lnbench.protocol.treatment import Treatment


@dataclass(frozen=True, eq=False)
class Treated:
    """A cell's victims as they are to be trained; without a defence, as the track says.

    Attributes:
        spec: the architecture, with its recipe.
        labels: (victim · member, n) int64, a victim's networks side by side.
        weights: the same of what each example counts, float32; None if all count the same.
        members: networks of a victim.
    """

    spec: VictimSpec
    labels: np.ndarray
    weights: np.ndarray | None = None
    members: int = 1

    @classmethod
    def of(cls, cell: Mapping[str, Any], track: Track, given: np.ndarray) -> Treated:
        """The victims of a cell.

        Args:
            cell: of `lnbench.evaluation.cells`; `treatments` has a document of `Treatment` for each victim, all with
                the same recipe and number of networks.
            given: (victim, n) int64, the labels before any defence.

        Raises:
            SubmissionError: if the recipe is not one for the track's victim.
        """
        spec, documents = track.spec(cell["victim"]), cell.get("treatments")
        if documents is None:
            return cls(spec, given)
        made = [Treatment.from_document(document, row) for document, row in zip(documents, given, strict=True)]
        (members,) = {len(one.labels) for one in made}
        weights = None
        if any(one.weights is not None for one in made):
            ones = np.ones(made[0].labels.shape, np.float32)
            weights = np.concatenate([ones if one.weights is None else one.weights for one in made])
        recipe = defended_recipe(spec, made[0].recipe, track, "the defence")
        labels = np.concatenate([one.labels for one in made])
        return cls(spec.replaced(recipe=recipe), labels, weights, members)

    def rows(self, some: range) -> slice:
        """Where the networks of some victims stand."""
        return slice(some.start * self.members, some.stop * self.members)

    def names(self, name: str) -> list[str]:
        """The names of a random stream for each network of a victim; the first one's is the undefended victim's."""
        return [name, *(f"{name}/{member}" for member in range(1, self.members))]

    def starts(self, streams: Streams, places: list[list[int]]) -> dict[str, list[int]]:
        """`init` and `order` of `train` for the networks of victims at these [split, seed]."""
        inits, orders = self.names(f"init/{self.spec.name}"), self.names("order")
        return {
            "init": [streams.integer(name, split, seed) for split, seed in places for name in inits],
            "order": [streams.entropy(name, split, seed) for split, seed in places for name in orders],
        }
