"""How far a long piece of work is, for whoever shows it, and in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from lnbench.text import marked

STAGES = {"poison": "poisoning", "defend": "defending", "victims": "victims"}
"""Stage -> what a person calls it; any other by its own name."""
_SETTLED = 0.03
"""Share of the work to be done here after which an estimate of the time left is worth showing."""


@dataclass(frozen=True)
class ArmSoFar:
    """What is known of one arm on one architecture while its victims are trained.

    Attributes:
        done, total: victims whose result is here, and all.
        adv_acc: mean adversarial accuracy of those that are here, at the score's radius; None while there are none.
    """

    architecture: str
    arm: str
    done: int
    total: int
    adv_acc: float | None


@dataclass(frozen=True)
class Progress:
    """How far an evaluation is.

    Attributes:
        stage: `poison` (units are guests) or `victims` (units are victims).
        done, total: units finished, stored ones included, and all.
        reused: units that came from the store.
        seconds_left: estimate, or None while there is nothing to estimate from.
        note: one line for people.
        arms: of an evaluation's victims, each arm on each architecture; empty otherwise.
    """

    stage: str
    done: float
    total: int
    reused: int
    seconds_left: float | None
    note: str = ""
    arms: tuple[ArmSoFar, ...] = ()


OnProgress = Callable[[Progress], None]
"""Takes a report now and then."""


def quietly(progress: Progress) -> None:
    """Take a report and say nothing."""


def words(progress: Progress) -> str:
    """What there is to say of a report besides its stage, in one line.

    >>> words(Progress("victims", 24, 96, 12, 75.0))
    '24/96 (25%), 12 reused, 1 min 15 s left'
    """
    done, total, reused = progress.done, progress.total, progress.reused
    parts = [f"{int(done)}/{int(total)} ({done / total if total else 1:.0%})"]
    if reused:
        parts.append(f"{reused} reused")
    if progress.seconds_left is not None and done < total and done - reused >= _SETTLED * (total - reused):
        parts.append(f"{duration(progress.seconds_left)} left")
    if progress.note:
        parts.append(marked(progress.note, lines=1))
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(8.2), duration(75), duration(4000)
    ('9 s', '1 min 15 s', '1 h 07 min')
    """
    whole = math.ceil(max(seconds, 0.0))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = math.ceil(whole / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"
