"""What all figures by matplotlib have in common: colours, style, and the way they become files."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from lnbench.errors import UnavailableError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CLEAN, RANDOM, POISONED, THIRD, GREY = "#1a7f37", "#bf8700", "#cf222e", "#0969da", "#6e7781"
"""Colours by arm, as on the board; THIRD is also for other quantities beside POISONED."""

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "lnbench",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"],
    "mathtext.fontset": "dejavusans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "grid.color": "#d0d7de",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
}
"""Settings of matplotlib: real text in SVG files, and no random identifiers."""


def require() -> None:
    """Raise UnavailableError if matplotlib is missing."""
    if importlib.util.find_spec("matplotlib") is None:
        raise UnavailableError("figures are drawn by matplotlib, which is not here; pip install 'lnbench[figures]'.")


def image(draw: Callable[[], Figure], kind: Literal["svg", "png"], source: str) -> bytes:
    """The figure that `draw` returns as a file, without its date; `source` becomes its description.

    Raises:
        UnavailableError: if matplotlib is missing.
    """
    require()
    import matplotlib as mpl

    buffer = io.BytesIO()
    facts = {"Date": None, "Creator": "lnbench"} if kind == "svg" else {"Software": "lnbench"}
    with mpl.rc_context(STYLE):
        draw().savefig(buffer, format=kind, dpi=150, metadata={**facts, "Description": source})
    return buffer.getvalue()
