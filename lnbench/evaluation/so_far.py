"""Adversarial accuracy of every arm while its victims are trained: for people who watch, not for a score."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from lnbench.evaluation.progress import ArmSoFar, OnProgress, Progress
from lnbench.protocol import Track, arms_of


class SoFar:
    """Counts results as they come.

    Args:
        planned: (arm, cell) of every cell of an evaluation, in order.
    """

    def __init__(self, track: Track, planned: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        self._scored = {victim.name: track.scored_index(victim.name) for victim in track.victims}
        self._places = [(cell["victim"], arm) for arm, cell in planned]
        keys = [(victim.name, arm) for victim in track.victims for arm in arms_of(track)]
        self._total, self._done, self._shares = dict.fromkeys(keys, 0), dict.fromkeys(keys, 0), dict.fromkeys(keys, 0.0)
        self._measured = dict.fromkeys(keys, 0)
        for key, (_, cell) in zip(self._places, planned, strict=True):
            self._total[key] += len(cell["places"])

    def add(self, place: int, result: Mapping[str, Any]) -> None:
        """Take the result of the cell at a place."""
        key = self._places[place]
        at = self._scored[key[0]]
        self._done[key] += len(result["victims"])
        for victim in result["victims"]:
            if not victim["diverged"] and "reached" not in victim:  # those have no count of their own
                self._measured[key] += 1
                self._shares[key] += 1 - victim["broken"]["targeted"][at] / victim["clean"]["source_points"]

    @property
    def arms(self) -> tuple[ArmSoFar, ...]:
        """Every arm on every architecture."""
        return tuple(
            ArmSoFar(*key, self._done[key], total, self._shares[key] / n if (n := self._measured[key]) else None)
            for key, total in self._total.items()
        )

    def reports(self, notify: OnProgress) -> OnProgress:
        """The same reports, those on victims with the arms in them."""

        def tell(progress: Progress) -> None:
            notify(dataclasses.replace(progress, arms=self.arms) if progress.stage == "victims" else progress)

        return tell
