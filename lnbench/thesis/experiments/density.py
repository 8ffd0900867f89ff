"""Flips by the density of their place, by three stand-ins for density, class 5 to 6 (thesis §4.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lnbench import graphs
from lnbench.thesis import impact, panel, pictures
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import Verdict, negated, spread, valley

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, 5 → 6: adversarial accuracy against the density where the flips lie, by three stand-ins for it"
THESIS = "§4.6"
QUICK = {
    **pictures.SIZES,
    "splits": 8,
    "flips": 5,
    "buckets": 5,
    "randoms": 3,
    "epsilon": 0.075,
    "pgd_steps": 20,
    "gamma": 0.1,
}
FULL = {**QUICK, "train": 60000, "test": 892, "splits": 8, "flips": 60, "steps": 14000}
CHOICES = (
    *pictures.CHOICES,
    pictures.ATTACK,
    "{flips} flips 5 → 6, drawn at random from one of {buckets} parts of equal size of class 5, by each score. "
    "{randoms} random sets a split.",
    "Scores: the degree in the class graph (ℓ2, γ the {gamma} quantile of the class's pair distances); the log density "
    "of a Gaussian fitted to the class's inputs; the same in the penultimate features of a clean network. Singular "
    "covariances are shrunk (Ledoit–Wolf).",
    "Three scores: every verdict holds at 5 % over three tests at once (Bonferroni). “No structure” agrees if the "
    "standard deviation between buckets is below 3 pp by its 95 % limit.",
)
_SCORES = {"degree": "degree", "input": "Gaussian, inputs", "features": "Gaussian, features"}


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return pictures.cells(settings)


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Three scores of every five, then one network per score and bucket."""
    data = pictures.load(cell)
    source = data.of(5)
    clean = pictures.trained(cell, data, data.labels)
    points = data.inputs[source]
    graph = graphs.class_graph(points, graphs.radius(points, cell["gamma"]))
    scores = {
        "degree": graphs.degrees(graph).astype(float),
        "input": graphs.log_density(points),
        "features": graphs.log_density(pictures.features(cell, clean, points)),
    }
    groups = {
        name: [source[index] for index in impact.even(score, cell["buckets"], cell["flips"], data.rng)]
        for name, score in scores.items()
    }
    groups["random"] = [data.rng.choice(source, cell["flips"], replace=False) for _ in range(cell["randoms"])]
    return impact.impact(cell, data, groups, (5, 6), report)


def verdicts(settings: Settings, found: Results) -> list[Verdict]:
    """For each score: whether there is any structure, and whether it is the toy set's curve."""
    verdicts = []
    for group, name in _SCORES.items():
        aa = panel.points(found, group)
        verdicts += [
            negated(
                spread("", f"{name}: AA over buckets", aa, margin=3.0, tests=len(_SCORES)),
                f"Density by {name}: the curve shows no structure.",
            ),
            negated(
                valley("", f"{name}: AA over buckets 1 (sparsest) to last", range(1, len(aa) + 1), aa, len(_SCORES)),
                f"Density by {name}: AA does not first fall and then rise, as it does on the toy set.",
            ),
        ]
    return [*verdicts, panel.memorised(found)]


def draw(settings: Settings, found: Results) -> Figure:
    """One panel a score."""
    from lnbench.thesis import drawing

    figure, (axes,) = drawing.panels(3, width=2.7, height=2.9, sharey=True)
    for axis, letter, (group, name) in zip(axes, "abc", _SCORES.items(), strict=True):
        panel.panel(axis, panel.points(found, group), found, f"({letter}) By {name}", "", "")
        axis.set(xlabel="bucket: sparsest to densest")
    axes[0].set_ylabel("AA (5 → 6)")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    return figure
