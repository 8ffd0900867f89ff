"""Greedy selection and coverage on the class graph of a set in the plane (thesis §4.1.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lnbench import graphs
from lnbench.thesis import drawing
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.verdicts import Verdict, above

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "A set in the plane: the points of highest degree, and the points that together cover the most"
THESIS = "§4.1.1, figure 2"
QUICK = {"sets": 5, "budget": 5, "gamma": 0.5, "clusters": [60, 45, 30, 20, 12]}
FULL = {**QUICK, "sets": 40}
CHOICES = (
    "{sets} sets of Gaussian clusters of {clusters} points (σ = .35) in the plane, centres uniform in a 6 × 6 square.",
    "Class graph with γ = {gamma} in ℓ2, budget b = {budget}. The listings in the thesis are template text; here "
    "greedy is `graphs.high_degree` and the modified dominating set is `graphs.coverage`.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per set."""
    shared = {name: settings[name] for name in ("budget", "gamma", "clusters")}
    return [{**shared, "seed": seed} for seed in range(settings["sets"])]


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Select points in both ways, and count the points within γ of a selected one."""
    rng = np.random.default_rng([2, cell["seed"]])
    centres = rng.uniform(-3, 3, (len(cell["clusters"]), 2))
    points = np.concatenate(
        [c + 0.35 * rng.standard_normal((n, 2)) for c, n in zip(centres, cell["clusters"], strict=True)]
    )
    graph = graphs.class_graph(points, cell["gamma"])
    result: dict[str, Any] = {"n": len(points), "points": points.tolist() if cell["seed"] == 0 else []}
    for name, select in (("greedy", graphs.high_degree), ("coverage", graphs.coverage)):
        chosen = [int(i) for i in select(graph, cell["budget"], rng)]
        reached = set(chosen).union(*(graph.neighbors(i) for i in chosen))
        result[name] = {"chosen": chosen, "covered": len(reached)}
    return result


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """The share of the points covered, by coverage and by greedy."""
    greedy, coverage = (collect(results, rule, "covered") / collect(results, "n") for rule in ("greedy", "coverage"))
    return [
        above(
            "Greedy selection picks points from one neighbourhood; the dominating-set version avoids that.",
            "share of the points within γ of a selected one, coverage minus greedy",
            100 * (coverage - greedy),
        )
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Both selections on the first set."""
    figure, (axes,) = drawing.panels(2, width=3.4, height=3.5, sharex=True, sharey=True)
    first = results[0]["result"]
    points = np.array(first["points"])
    for axis, name, colour in zip(axes, ("greedy", "coverage"), (drawing.RANDOM, drawing.THIRD), strict=True):
        chosen = points[first[name]["chosen"]]
        near = (np.linalg.norm(points[:, None] - chosen, axis=2) <= settings["gamma"]).any(1)
        axis.scatter(*points[~near].T, s=10, color="#afb8c1", linewidths=0, label="not covered")
        axis.scatter(*points[near].T, s=10, color=colour, linewidths=0, label="covered")
        for place in chosen:
            axis.add_patch(_ring(place, settings["gamma"], colour))
        axis.scatter(*chosen.T, s=42, marker="*", color="black", linewidths=0, label="selected")
        share = 100 * first[name]["covered"] / first["n"]
        axis.set(title=f"{name}: {share:.0f} % covered", aspect="equal", xlabel="x₁")
        axis.legend(loc="best", fontsize=7.5, handletextpad=0.2)
    axes[0].set_ylabel("x₂")
    return figure


def _ring(place: np.ndarray, gamma: float, colour: str) -> Any:
    from matplotlib.patches import Circle

    return Circle(
        (float(place[0]), float(place[1])), gamma, facecolor=colour, alpha=0.12, edgecolor=colour, linewidth=0.8
    )
