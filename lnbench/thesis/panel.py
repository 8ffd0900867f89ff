"""What the experiments that compare sets of flips are judged by and drawn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lnbench.thesis import drawing
from lnbench.thesis.experiment import Results
from lnbench.thesis.verdicts import AGREES, DISAGREES, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def points(found: Results, group: str, quantity: str = "aa") -> np.ndarray:
    """A group's values in percentage points, (set, split)."""
    values: np.ndarray = 100 * np.array([f["result"][quantity][group] for f in found]).T
    return values


def baseline(found: Results) -> np.ndarray:
    """AA of the random sets in percentage points, mean over each split's sets, (split,)."""
    means: np.ndarray = points(found, "random").mean(0)
    return means


def memorised(found: Results) -> Verdict:
    """Whether the flips are memorised, as every claim about them takes for granted."""
    shares = {group: points(found, group, "memorised").mean() for group in found[0]["result"]["memorised"]}
    mean, least = float(np.mean(list(shares.values()))), min(shares, key=lambda group: (shares[group], group))
    lowest = f", least of `{least}`: {shares[least]:.1f} %" if len(shares) > 1 else ""
    count = sum(points(found, group).size for group in shares)
    verdict = AGREES if mean >= 95 else DISAGREES
    return Verdict("The flips are memorised.", verdict, f"{mean:.1f} % of the flips{lowest}", n=count)


def panel(axes: Axes, aa: np.ndarray, found: Results, title: str, x: str, y: str) -> None:
    """AA over buckets, one faint line a split, with the random and the clean level.

    Args:
        aa: (bucket, split), in percentage points.
    """
    places = range(1, len(aa) + 1)
    for split in aa.T / 100:
        axes.plot(places, split, color=drawing.POISONED, alpha=0.18, linewidth=0.8)
    drawing.curve(axes, places, (aa / 100).tolist(), drawing.POISONED, "flips from one bucket")
    runs = sum(len(f["result"]["aa"]["random"]) for f in found)
    drawing.level(axes, (baseline(found) / 100).tolist(), drawing.RANDOM, f"random flips ({runs} runs)")
    drawing.level(axes, [f["result"]["clean"] for f in found], drawing.CLEAN, "clean")
    axes.set(title=title, xlabel=x, ylabel=y, xticks=list(places))
    drawing.percent(axes)
