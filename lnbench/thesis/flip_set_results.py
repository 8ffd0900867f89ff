"""Read and plot the results of `flip_sets.measure`; not there, so that a change here leaves stored results valid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lnbench.thesis import drawing
from lnbench.thesis.experiment import Results, collect
from lnbench.thesis.verdicts import Memorisation, memorised

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def aa(results: Results, group: str) -> np.ndarray:
    """Adversarial accuracy with the sets of a group, in percent, (set, split)."""
    values: np.ndarray = 100 * collect(results, "aa", group).T
    return values


def random_aa(results: Results) -> np.ndarray:
    """Adversarial accuracy with random flips, in percent, mean over the sets of each split, (split,)."""
    means: np.ndarray = aa(results, "random").mean(0)
    return means


def clean_aa(results: Results) -> np.ndarray:
    """Adversarial accuracy of the clean victim, in percent, (split,)."""
    values: np.ndarray = 100 * collect(results, "clean")
    return values


def memorised_shares(results: Results) -> dict[str, np.ndarray]:
    """Group -> share of the flips memorised, in percent, (split, set)."""
    return {group: 100 * collect(results, "memorised", group) for group in results[0]["result"]["memorised"]}


def memorisation(results: Results) -> Memorisation:
    """Whether the flips of every group are memorised."""
    return memorised(memorised_shares(results))


def fullest_bucket(results: Results, bucket_aa: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Adversarial accuracy with the bucket of the most points, and the mean over the others, in percent, each (split,).

    Args:
        bucket_aa: (bucket, split).
    """
    fullest = collect(results, "inside").argmax(1)
    others = np.array([np.delete(column, at).mean() for column, at in zip(bucket_aa.T, fullest, strict=True)])
    return bucket_aa[fullest, np.arange(len(fullest))], others


def plot(axes: Axes, bucket_aa: np.ndarray, results: Results, title: str, x: str, y: str) -> None:
    """Plot adversarial accuracy over buckets, with one faint line a split, beside random flips and the clean victim.

    Args:
        bucket_aa: (bucket, split), in percent.
        title, x, y: of the axes.
    """
    places = range(1, len(bucket_aa) + 1)
    for split in bucket_aa.T / 100:
        axes.plot(places, split, color=drawing.POISONED, alpha=0.18, linewidth=0.8)
    drawing.curve(axes, places, (bucket_aa / 100).tolist(), drawing.POISONED, "flips from one bucket")
    runs = collect(results, "aa", "random").size
    drawing.level(axes, (random_aa(results) / 100).tolist(), drawing.RANDOM, f"random flips ({runs} runs)")
    drawing.level(axes, collect(results, "clean").tolist(), drawing.CLEAN, "clean")
    axes.set(title=title, xlabel=x, ylabel=y, xticks=list(places))
    drawing.percent(axes)
