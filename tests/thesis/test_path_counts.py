"""Lengths of adversarial paths as counts."""

from __future__ import annotations

import numpy as np
import pytest

from lnbench.thesis import path_counts


@pytest.mark.parametrize("lost", [0, 4])
def test_median_of_counts_is_that_of_the_lengths(lost: int) -> None:
    lengths = np.array([3, 3, 5, 7, 9, *[11] * lost])  # at most 10 steps
    counts = np.bincount(lengths, minlength=12)
    assert path_counts.medians(np.stack([counts, counts])).tolist() == [np.median(lengths)] * 2


def test_says_how_many_paths_never_arrive() -> None:
    counts = np.array([[0, 150, 49, 1], [0, 100, 100, 0]])
    assert path_counts.never(counts) == "0.25 % of the paths never arrive"
    assert path_counts.never(counts[1:]) == "every path arrives"


def test_one_long_path_does_not_stretch_the_axis() -> None:
    counts = np.zeros((2, 1002))
    counts[:, 5:15], counts[0, 900], counts[1, -1] = 1000, 1, 500
    assert path_counts.last_step(counts) == 14 + 2
