"""Figures that look alike, as SVG with real text and without dates or random identifiers."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lnbench.plotting import CLEAN, GREY, POISONED, RANDOM, THIRD, image, require
from lnbench.thesis.verdicts import interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "CLEAN",
    "GREY",
    "POISONED",
    "RANDOM",
    "THIRD",
    "bars",
    "curve",
    "heat",
    "level",
    "panels",
    "percent",
    "require",
    "svg",
]


def panels(
    columns: int = 1, rows: int = 1, *, width: float = 3.6, height: float = 2.9, **options: Any
) -> tuple[Figure, Any]:
    """A figure of equal panels: (figure, array (rows, columns) of axes).

    Args:
        width, height: of one panel, in inches.

    Raises:
        UnavailableError: if matplotlib is missing.
    """
    require()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows))
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def svg(draw: Callable[[], Figure], source: str) -> bytes:
    """The figure that `draw` returns, as SVG; `source` becomes its description.

    Raises:
        UnavailableError: if matplotlib is missing.
    """
    text = re.sub(r"[ \t]+$", "", image(draw, "svg", source).decode(), flags=re.M)
    return text.encode()


def curve(
    axes: Axes, x: Sequence[float], samples: Sequence[Sequence[float]], colour: str, label: str, **how: Any
) -> None:
    """Plot means over replicates against x with a band of their 95 % intervals.

    Args:
        samples: one list of replicates per x.
        how: further arguments of matplotlib's `plot`.
    """
    mean, low, high = np.array([interval(values) for values in samples]).T
    axes.plot(x, mean, color=colour, label=label, marker="o", **how)
    axes.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0)


def bars(
    axes: Axes, x: Sequence[float], samples: Sequence[Sequence[float]], colour: str, label: str, **how: Any
) -> None:
    """Plot means over replicates against x with bars of their 95 % intervals.

    Args:
        samples: one list of replicates per x.
        how: further arguments of matplotlib's `errorbar`.
    """
    mean, low, high = np.array([interval(values) for values in samples]).T
    how = {"fmt": "o", "capsize": 2.5, "elinewidth": 1.2, **how}
    axes.errorbar(x, mean, yerr=np.abs([low - mean, high - mean]), color=colour, label=label, **how)


def level(axes: Axes, values: Sequence[float], colour: str, label: str) -> None:
    """Plot a horizontal line at the mean over replicates with a band of its 95 % interval."""
    mean, low, high = interval(values)
    axes.axhline(mean, color=colour, label=label, linestyle="--", linewidth=1.3)
    axes.axhspan(low, high, color=colour, alpha=0.12, linewidth=0)


def percent(axes: Axes, low: float = 0.0, high: float = 1.0) -> None:
    """Write the fractions of the y axis in percent, from `low` to `high` with a small margin."""
    from matplotlib.ticker import PercentFormatter

    axes.set_ylim(low - 0.02 * (high - low), high + 0.03 * (high - low))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))


def heat(axes: Axes, samples: np.ndarray, rows: Sequence[str], columns: Sequence[str], *, decimals: int = 0) -> None:
    """Plot a table of fractions as colours, with the mean and half the 95 % interval in percent in every cell.

    Args:
        samples: (row, column, replicate).
        rows, columns: their labels, the first row at the bottom.
        decimals: of the mean.
    """
    values = samples.mean(2)
    axes.imshow(values, cmap="viridis", vmin=0.0, vmax=1.0, aspect="auto", origin="lower")
    axes.grid(False)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    for (i, j), value in np.ndenumerate(values):
        mean, _, high = interval(samples[i, j])
        ink = "white" if value < 0.55 else "black"
        text = f"{100 * mean:.{decimals}f}"
        axes.text(j, i + 0.13, text, ha="center", va="center", color=ink, fontsize=8)
        axes.text(j, i - 0.24, f"±{100 * (high - mean):.1f}", ha="center", va="center", color=ink, fontsize=6)
