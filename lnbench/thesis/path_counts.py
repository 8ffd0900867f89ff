"""Lengths of adversarial paths as counts: how many points have 0, 1, … steps, and last how many never arrive."""

from __future__ import annotations

import numpy as np

_SHOWN = 0.999
"""Share of the arrived paths that a figure's axis reaches."""


def medians(counts: np.ndarray) -> np.ndarray:
    """Median lengths, (…); paths that never arrive are the longest.

    Args:
        counts: (…, steps).
    """
    found: np.ndarray = (counts.cumsum(-1) < counts.sum(-1, keepdims=True) / 2).sum(-1)
    return found


def never(counts: np.ndarray) -> str:
    """How many of the paths never arrive, for people.

    Args:
        counts: (…, steps).
    """
    lost = int(counts[..., -1].sum())
    return f"{100 * lost / counts.sum():.2g} % of the paths never arrive" if lost else "every path arrives"


def last_step(counts: np.ndarray) -> int:
    """The length that all but a thousandth of the paths that arrive have reached, and two more steps.

    Args:
        counts: (…, steps).
    """
    arrived = counts[..., :-1].reshape(-1, counts.shape[-1] - 1).sum(0).cumsum()
    return int(np.searchsorted(arrived, _SHOWN * arrived[-1])) + 2
