"""ε by a rule, from clean networks and random flips alone, before any other verdict is looked at.

At a small ε no flip does anything, at a large one every network is broken: AA is then near 100 % or on the floor, and
sets of flips cannot differ. So networks are attacked at every radius of one grid, and the verdicts are those of the
radius at which AA with random flips is nearest 50 % while the clean network keeps at least 10 points more. Figures show
all radii.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

GRID = [0.02, 0.03, 0.05, 0.075, 0.1, 0.15]
"""The radii of every attacked experiment on MNIST."""
AIM, APART = 50.0, 10.0
"""AA with random flips that is aimed at, and how much more the clean network must keep, in percentage points."""

RULE = "{rule}"
"""Sentence for `CHOICES`; see `rule`."""


def rule(epsilon: float | Sequence[float]) -> str:
    """How ε is set, for people.

    Args:
        epsilon: of the settings.
    """
    if isinstance(epsilon, (int, float)):
        return f"ε is {epsilon:g}, which was set before there was a rule for it (level full has one)."
    return (
        f"Of ε = {', '.join(f'{value:g}' for value in epsilon)} the verdicts take the one at which AA with random "
        "flips is nearest 50 %, among those where the clean network's is at least 10 points higher, if there are any. "
        "Nothing else enters the choice."
    )


def radii(epsilon: float | Sequence[float]) -> list[float]:
    """The radii of a cell's or of settings' `epsilon`, which is one of them or a list."""
    return [epsilon] if isinstance(epsilon, (int, float)) else list(epsilon)


def chosen(clean: np.ndarray, random: np.ndarray) -> int:
    """Which radius the rule takes; of two that are equally near the first.

    >>> chosen(np.array([[95.0], [80.0], [25.0]]), np.array([[90.0], [62.0], [9.0]]))
    1

    Args:
        clean, random: AA of clean networks and of networks with random flips, in percent, (epsilon, replicate).
    """
    middle, lead = random.mean(1), clean.mean(1) - random.mean(1)
    far = np.abs(middle - AIM)
    return int(np.where(lead >= APART, far, far + 100 * (lead >= APART).any()).argmin())


def at(settings: Any, index: int) -> float:
    """The radius of an index."""
    return radii(settings["epsilon"])[index]


def taken(settings: Any, clean: np.ndarray, random: np.ndarray) -> str:
    """The radius that the rule takes and what it rests on, for the evidence.

    Args:
        settings, clean, random: as for `at` and `chosen`.
    """
    index = chosen(clean, random)
    said = f"ε = {at(settings, index):g}"
    if len(clean) == 1:
        return said
    middle, lead = random.mean(1), clean.mean(1) - random.mean(1)
    said += f" (AA with random flips {middle[index]:.0f} %"
    if not (lead >= APART).any():
        said += f"; at no radius are clean networks {APART:g} pp above it"
    elif (index == len(clean) - 1 and middle[index] > AIM) or (index == 0 and middle[index] < AIM):
        said += ", at the edge of the radii tried"
    return said + ")"
