"""How far adversarial accuracies of the same victims lie apart that were trained twice, in two environments."""

from __future__ import annotations

import math

SHIFT_SD = math.sqrt(2) * 0.1
"""Standard deviation of the difference of one victim's adversarial accuracy between two trainings that differ only in
rounding, as bits in another environment do: σ of the seed and the residual together is measured as .06 to .1."""


def most_apart(victims: int, errors: float) -> float:
    """By how much the mean over so many victims may move, in shares, if it may move by so many standard errors."""
    return errors * SHIFT_SD / math.sqrt(victims)
