"""Flips from places of different density, by three scores for density, class 5 to 6 (thesis §4.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from lnbench import graphs
from lnbench.thesis import (
    class_matrices,
    drawing,
    epsilon,
    flip_set_results,
    flip_sets,
    images,
    networks,
    shared_networks,
)
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.plan import Plan
from lnbench.thesis.shapes import valley
from lnbench.thesis.verdicts import Verdict, negated, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, 5 → 6: adversarial accuracy over the density at the flips, by three scores for density"
THESIS = "§4.6"
QUICK = {
    **images.QUICK,
    "splits": 8,
    "flips": 5,
    "buckets": 5,
    "randoms": 3,
    "epsilon": 0.075,
    "pgd_steps": 20,
    "gamma": 0.1,
}
FULL = {**QUICK, **images.FULL, "test": 892, "flips": 60, "randoms": 1, "splits": 34, "epsilon": epsilon.GRID}
_MARGIN = 5.0
"""Percentage points; see `CHOICES`."""
PLAN = {
    "structure": Plan(_MARGIN, 9.4, "density quick", "alike", tests=3, levels=5),
    "valley": Plan(10, 14, "density quick", "valley", tests=3, levels=5, refutes=True),
}
CHOICES = (
    *images.CHOICES,
    images.TARGETED,
    epsilon.RULE,
    "Along each score class 5 is cut into {buckets} buckets of equal size; a set has {flips} random flips 5 → 6 from "
    "one bucket. {randoms} random sets a split.",
    "Scores: the degree in the class graph (ℓ2, γ the {gamma} quantile of the pair distances in the class); the log "
    "density of a Gaussian fitted to the inputs of the class; the same for the penultimate features of a clean "
    "network. Singular covariances are shrunk (Ledoit–Wolf).",
    "That there is no structure at all the thesis says of the features alone; of the other two, that they do not yield "
    "the toy set's curve.",
    "As there are three scores, every verdict holds at 5 % for three tests at once (Bonferroni). “No structure” means "
    "that the upper limit of the standard deviation between buckets is below 5 pp; that there is no "
    "valley is shown if nowhere both a fall and a rise can be above 5 pp. (Both were 3 pp until level quick had been "
    "run, at whose noise that takes 209 splits; 5 pp takes 76.) "
    "At full size the network stays an MLP.",
)
_SCORES = {"degree": "degree", "input": "Gaussian, inputs", "features": "Gaussian, features"}


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return images.cells(settings)


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Three scores of every five; then one network per score and bucket, and per random set."""
    sample = images.load_mnist(cell)
    source = sample.of_class(5)
    clean = shared_networks.clean(cell, sample)
    points = sample.inputs[source]
    scores = {
        "degree": class_matrices.class_matrix(points, cell["gamma"]).sum(1).astype(float),
        "input": graphs.log_density(points),
        "features": graphs.log_density(networks.features(cell, clean, points)),
    }
    groups = {
        name: [source[index] for index in flip_sets.quantile_buckets(score, cell["buckets"], cell["flips"], sample.rng)]
        for name, score in scores.items()
    }
    groups["random"] = flip_sets.random_sets([source], cell["flips"], cell["randoms"], sample.rng)
    return flip_sets.measure(cell, sample, groups, (5, 6), report)


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """For each score: whether the curve has any structure, and whether it is that of the toy set."""
    verdicts: list[Verdict] = []
    for group, name in _SCORES.items():
        aa, ours = flip_set_results.aa(results, group), "D" if group == "features" else "Not in the thesis: d"
        made = [
            negated(
                spread("", f"{name}: AA over buckets", aa, margin=_MARGIN, tests=len(_SCORES), plan=PLAN["structure"]),
                f"{ours}ensity by {name}: the curve shows no structure.",
            ),
            negated(
                valley(
                    "",
                    f"{name}: AA over buckets 1 (sparsest) to last",
                    range(1, len(aa) + 1),
                    aa,
                    len(_SCORES),
                    PLAN["valley"],
                    margin=_MARGIN,
                ),
                f"Density by {name}: AA does not first fall and then rise, as it does on the toy set.",
            ),
        ]
        verdicts += flip_set_results.each_memorised(results, group, made, "bucket")
    return [
        *flip_set_results.against_random(settings, results, verdicts),
        flip_set_results.memorisation(results),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Adversarial accuracy over the buckets, one panel a score; and over the radius."""
    radii = len(epsilon.radii(settings["epsilon"])) > 1
    figure, (axes,) = drawing.panels(3 + radii, width=2.7, height=2.9, sharey=True)
    if radii:
        flip_set_results.plot_radii(axes[3], settings, results, "(d) The choice of ε")
    for axis, letter, (group, name) in zip(axes[:3], "abc", _SCORES.items(), strict=True):
        flip_set_results.plot(
            axis,
            flip_set_results.aa(results, group),
            results,
            f"({letter}) By {name}",
            "bucket: sparsest to densest",
            "",
        )
    axes[0].set_ylabel("AA (5 → 6)")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    return figure
