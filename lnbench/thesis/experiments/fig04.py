"""The toy Gaussians: samples for d = 2, and where the mass lies for larger d (thesis §4.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from lnbench.thesis import drawing, toy_data
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import AGREES, DISAGREES, Verdict, clopper_pearson, frequency

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "The toy Gaussians D(d, µ, σ²): samples for d = 2, and distances to the mean for larger d"
THESIS = "§4.2, figure 4"
QUICK = {"n": 2000, "shown": 300, "distance": 4.0, "dimensions": [2, 16, 64]}
FULL = {**QUICK, "n": 50000}
CHOICES = (
    "σ = 1; the means lie at distance µ√d = {distance} from the boundary (the thesis only says µ ≫ σ²).",
    "{n} draws for each d in {dimensions}; the figure shows {shown} of them for d = 2.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per dimension."""
    shared = {name: settings[name] for name in ("n", "shown", "distance")}
    return [{**shared, "d": d} for d in settings["dimensions"]]


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Draw points, and count them by their distance to the mean, r/(σ√d)."""
    d, mu = cell["d"], cell["distance"] / cell["d"] ** 0.5
    inputs, labels = toy_data.gaussians(cell["n"], d, mu, np.random.default_rng([4, d]))
    away = np.linalg.norm(inputs - np.where(labels, mu, -mu)[:, None], axis=1) / d**0.5
    counts, edges = np.histogram(away, bins=60, range=(0.0, 2.4))
    return {
        "near": int((away < 0.5).sum()),
        "counts": counts.tolist(),
        "edges": edges.tolist(),
        "points": inputs[: cell["shown"]].tolist() if d == 2 else [],
        "labels": labels[: cell["shown"]].tolist() if d == 2 else [],
    }


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """Where the mass lies; the thesis speaks of "high probability density regions" only."""
    last = results[-1]
    d, near, n = last["cell"]["d"], last["result"]["near"], settings["n"]
    low, high = clopper_pearson(near, n)
    first = results[0]
    first_d = first["cell"]["d"]
    expected = float(stats.chi2.cdf(first_d * 0.25, first_d))
    return [
        frequency(
            "The samples follow the stated Gaussians.",
            f"share within r = σ√d/2 for d = {first_d}",
            first["result"]["near"],
            n,
            expected,
        ),
        Verdict(
            "Not in the thesis: the points lie where the density is highest, about the mean.",
            DISAGREES if high < 0.05 else AGREES,
            f"for d = {d}, {near} of {n} draws lie within σ√d/2 of their mean (share at most {high:.5f}): there the "
            "density is highest, but the mass is at r ≈ σ√d",
            near / n,
            low,
            high,
            n,
        ),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Samples, and histograms of r/(σ√d)."""
    figure, ((left, right),) = drawing.panels(2, width=3.6, height=3.2)
    flat = results[0]["result"]
    points, labels = np.array(flat["points"]), np.array(flat["labels"])
    for label, colour in ((0, drawing.POISONED), (1, drawing.THIRD)):
        left.scatter(*points[labels == label].T, s=9, color=colour, alpha=0.65, linewidths=0, label=f"class {label}")
    reach = 1.05 * np.abs(points).max()
    left.plot([-reach, reach], [reach, -reach], color=drawing.GREY, linestyle="--", linewidth=1, label="x·1 = 0")
    left.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", title="(a) d = 2")
    left.set(xlabel="x₁ / σ", ylabel="x₂ / σ")
    left.legend(loc="lower right", handletextpad=0.3)
    for entry, colour in zip(results, (drawing.RANDOM, drawing.CLEAN, "black"), strict=False):
        edges, counts = np.array(entry["result"]["edges"]), np.array(entry["result"]["counts"])
        density = counts / counts.sum() / np.diff(edges)
        right.stairs(density, edges, color=colour, fill=True, alpha=0.25)
        right.stairs(density, edges, color=colour, label=f"d = {entry['cell']['d']}")
    right.set(xlabel="distance to the mean of the class, r / (σ√d)", ylabel="density", title="(b) Where the mass lies")
    right.legend()
    return figure
