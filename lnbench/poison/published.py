"""Labels that somebody published, in place of a poisoner: nothing is run, and how they were made cannot be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lnbench.errors import ProtocolError
from lnbench.poison.labels import check_labels
from lnbench.poison.run import PoisonedLabels
from lnbench.protocol.flips import applied
from lnbench.protocol.hashes import sha256
from lnbench.protocol.track import Track


@dataclass(frozen=True, eq=False)
class Published:
    """Published labels of one poisoner on one track.

    Attributes:
        name: the poisoner's name, as its publisher says.
        source: where the labels are from, `hf://user/name@commit`; a record has it in place of a submission's source.
        flips: split -> [(index, old, new), …].
        trainings: split -> victim trainings that the poisoner is said to have spent.
        description, author, paper, license: what is said about the poisoner.
        parameters: the parameters it is said to have run with, unlike its defaults.
    """

    name: str
    source: str
    flips: Mapping[int, Sequence[Sequence[int]]]
    trainings: Mapping[int, int]
    description: str = ""
    author: str = ""
    paper: str = ""
    license: str = ""
    parameters: Mapping[str, bool | int | float | str] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Of the text that stands for the source."""
        return sha256(self.source.encode())

    def poisoned(self, track: Track, clean: Sequence[np.ndarray]) -> list[PoisonedLabels]:
        """The answer for each split, checked as a submission's is.

        Args:
            clean: the true labels of splits 0, 1, …, each (n,) int64.

        Raises:
            SubmissionError: if labels break range, pairs or budget.
            ProtocolError: if a split is not among the published ones.
        """
        missing = [split for split in range(len(clean)) if split not in self.flips]
        if missing:
            raise ProtocolError(
                f"{self.source} holds the labels of {len(self.flips)} splits and not of split {missing[0]}; scoring "
                f"needs splits 0 … {len(clean) - 1}. Labels of a quick run are scored with --quick."
            )
        return [self._answer(track, split, labels) for split, labels in enumerate(clean)]

    def _answer(self, track: Track, split: int, clean: np.ndarray) -> PoisonedLabels:
        labels = applied(clean, self.flips[split])
        check_labels(labels, self.source, clean, track.data.classes, track.noise.budget, track.pairs(split))
        return PoisonedLabels(
            labels,
            self.trainings.get(split, 0),
            0.0,
            "",
            self.description,
            self.author,
            self.paper,
            self.license,
            dict(self.parameters),
            dict(self.parameters),
            "none",
            "process",
        )
