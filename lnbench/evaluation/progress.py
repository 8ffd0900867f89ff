"""How far a long piece of work is, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far an evaluation is.

    Attributes:
        stage: `poison` (units are guests) or `victims` (units are victims).
        done, total: units finished, stored ones included, and all.
        reused: units that came from the store.
        seconds_left: estimate, or None while there is nothing to estimate from.
        note: one line for people.
    """

    stage: str
    done: float
    total: int
    reused: int
    seconds_left: float | None
    note: str = ""


OnProgress = Callable[[Progress], None]
"""Takes a report now and then."""


def quietly(progress: Progress) -> None:
    """Take a report and say nothing."""
