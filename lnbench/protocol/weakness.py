"""Signs that an attack was weak: shares above which each is taken for one, wherever it is measured."""

from __future__ import annotations

ZERO_GRADIENT = 0.01
"""Of the attacks, those that found no input gradient at the clean input."""
NOT_MONOTONE = 0.02
"""Of the examples, those broken at some radius and not at a larger one, though the balls are nested."""
