"""Distances between points of class 0 of MNIST, against the usual perturbation budget (thesis §4.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.distance import pdist

from lnbench.data import mnist
from lnbench.experiments import Found, Settings
from lnbench.experiments._verdicts import AGREES, DISAGREES, Verdict
from lnbench.protocol import Streams, sha256
from lnbench.protocol.track import DataSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Distances between the points of class 0 of MNIST, and the edges of their class graphs"
THESIS = "§4.1, figure 3"
QUICK = {"points": 1000, "budget": 0.3, "gammas": 60}
FULL = {**QUICK, "points": 5923}
CHOICES = (
    "{points} points of MNIST's class 0 (all of them are 5,923), drawn once; both ℓ∞ and ℓ2. CIFAR-10 is left out: its "
    "source is not in this version.",
    "The budget is ε = {budget} in ℓ∞, the thesis's; γ of the class graphs runs over the whole range of distances.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per norm."""
    return [{**settings, "norm": norm} for norm in ("linf", "l2")]


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Histograms of all pair distances and of nearest-neighbour distances."""
    data = mnist.load(DataSpec(source="mnist", train=60000, classes=10), 0, Streams(sha256(b"thesis")))
    points = data.inputs[data.labels == 0][: cell["points"]].reshape(-1, 784).astype(np.float64)
    pairs = pdist(points, {"linf": "chebyshev", "l2": "euclidean"}[cell["norm"]])
    nearest = np.full(len(points), np.inf)
    rows, columns = np.triu_indices(len(points), 1)
    np.minimum.at(nearest, rows, pairs)
    np.minimum.at(nearest, columns, pairs)
    edges = np.linspace(0, 1.001 if cell["norm"] == "linf" else pairs.max() * 1.02, cell["gammas"] + 1)
    return {
        "edges": edges.tolist(),
        "pairs": np.histogram(pairs, edges)[0].tolist(),
        "nearest": np.histogram(nearest, edges)[0].tolist(),
        "smallest": float(pairs.min()),
        "median_nearest": float(np.median(nearest)),
        "middle": float(np.quantile(pairs, 0.95) - np.quantile(pairs, 0.05)),
        "within_budget": int((pairs <= cell["budget"]).sum()),
        "count": len(pairs),
    }


def judge(settings: Settings, found: Found) -> list[Verdict]:
    """The distances against the budget, and what it does to class graphs."""
    sharp, round_ = (f["result"] for f in found)
    return [
        Verdict(
            "The distances are far larger than the budget of .3.",
            AGREES if sharp["smallest"] > 2 * settings["budget"] else DISAGREES,
            f"smallest of {sharp['count']} ℓ∞ distances {sharp['smallest']:.3f}, median nearest neighbour at "
            f"{sharp['median_nearest']:.3f}; {sharp['within_budget']} pairs within {settings['budget']:g}",
            n=sharp["count"],
        ),
        Verdict(
            "Not in the thesis: that is why its ℓ∞ class graphs are empty or complete.",
            AGREES if sharp["middle"] < 0.1 < round_["middle"] else DISAGREES,
            f"from 5 % to 95 % of all edges γ grows by {sharp['middle']:.3f} in ℓ∞ and by {round_['middle']:.2f} in ℓ2",
            n=sharp["count"],
        ),
    ]


def draw(settings: Settings, found: Found) -> Figure:
    """Histograms, and the share of edges against γ."""
    from lnbench.experiments import _figure

    figure, (axes,) = _figure.panels(2, width=3.7, height=3.0)
    for axis, f, title in zip(axes, found, ("(a) ℓ∞", "(b) ℓ2"), strict=True):
        result = f["result"]
        edges, pairs = np.array(result["edges"]), np.array(result["pairs"])
        axis.stairs(pairs / pairs.sum(), edges, color=_figure.THIRD, fill=True, alpha=0.35, label="pairs")
        nearest = np.array(result["nearest"])
        axis.stairs(nearest / nearest.sum(), edges, color=_figure.RANDOM, linewidth=1.4, label="nearest neighbours")
        axis.plot(
            edges[1:],
            np.cumsum(pairs) / pairs.sum(),
            color="black",
            linewidth=1.2,
            label="edges of the class graph at γ",
        )
        axis.set(title=title, xlabel="distance, or γ", ylabel="share")
        _figure.percent(axis)
    axes[0].axvline(settings["budget"], color=_figure.POISONED, linestyle="--", linewidth=1.2)
    axes[0].annotate(f"ε = {settings['budget']:g}", (settings["budget"] + 0.015, 0.5), color=_figure.POISONED)
    axes[1].legend(loc="upper left")
    return figure
