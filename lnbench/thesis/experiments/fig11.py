"""Flips at several distances from the decision boundary, zeros and ones of MNIST (thesis §4.9.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lnbench.thesis import drawing, epsilon, flip_set_results, flip_sets, images, networks, shared_networks
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.plan import Plan
from lnbench.thesis.shapes import falling
from lnbench.thesis.verdicts import Verdict, above

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, zeros and ones: adversarial accuracy over the distance of the flips from the decision boundary"
THESIS = "§4.9.2, figure 11"
QUICK = {**images.QUICK, **images.ZEROS_AND_ONES, "splits": 10, "randoms": 3}
FULL = {**QUICK, **images.ZEROS_AND_ONES_FULL, "splits": 28, "randoms": 2, "epsilon": epsilon.GRID}
PLAN = {
    "trend": Plan(2, 2.4, "fig11 quick"),
    "shape": Plan(10, 10, "fig11 quick", "falling", levels=6, slack=3),
    "nearest": Plan(5, 6.9, "fig11 quick"),
    "farthest": Plan(5, 9, "fig11 quick"),
}
CHOICES = (
    *images.CHOICES,
    images.UNTARGETED,
    epsilon.RULE,
    "§4.9.2 shows figure 11 and says nothing about it, so that no claim here is the thesis's own; that the fall grows "
    "with the distance is what §4.10.3 says of the same points and of figure 15.",
    "Only zeros and ones are drawn; the network has two outputs, and a flip goes to the other class.",
    "The distance of a point is the number of steps of .01 of the unbounded untargeted attack on one clean network, "
    "at most {most}. Along it each class is cut into {buckets} bins of equal size. A set has {flips} flips from one "
    "bin, or, {randoms} times a split, random ones; half of them are zeros.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return images.cells(settings)


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Distances on a clean network; then one network per bin and per random set."""
    sample = images.load_mnist(cell, (0, 1))
    clean = shared_networks.clean(cell, sample, num_classes=2)
    steps = networks.boundary_steps(clean, sample.inputs, sample.labels, targeted=False, most=cell["most"])
    half = cell["flips"] // 2
    classes = [sample.of_class(c) for c in (0, 1)]
    parts = [
        [own[index] for index in flip_sets.quantile_buckets(steps[own], cell["buckets"], half, sample.rng)]
        for own in classes
    ]
    groups = {
        "bins": [np.concatenate(pair) for pair in zip(*parts, strict=True)],
        "random": flip_sets.random_sets(classes, half, cell["randoms"], sample.rng),
    }
    result = flip_sets.measure(cell, sample, groups, 1 - sample.labels, report, num_classes=2)
    return {**result, "steps": [float(steps[index].mean()) for index in groups["bins"]]}


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """The trend, the shape, and the flips at both ends against random ones."""
    aa, random = flip_set_results.aa(results, "bins"), flip_set_results.random_aa(results)
    places = np.arange(1, len(aa) + 1)
    claims = [
        above(
            "Not in the thesis: on average over the bins, flips farther from the boundary lower the adversarial "
            "accuracy more.",
            "fall of AA per bin, least squares",
            -np.polyfit(places, aa, 1)[0],
            plan=PLAN["trend"],
        ),
        falling(
            "Not in the thesis: the farther the worse, the curve falls all the way.",
            "AA over bins 1 (nearest) to last",
            places.tolist(),
            aa,
            margin=3.0,
            plan=PLAN["shape"],
        ),
        above(
            "Not in the thesis: the nearest flips do less than random ones.",
            "AA, nearest bin minus random",
            aa[0] - random,
            plan=PLAN["nearest"],
        ),
        above(
            "Not in the thesis: the farthest flips do more than random ones.",
            "AA, random minus farthest bin",
            random - aa[-1],
            plan=PLAN["farthest"],
        ),
    ]
    about = (None, None, 0, -1)
    made = [
        verdict
        for claim, only in zip(claims, about, strict=True)
        for verdict in flip_set_results.each_memorised(results, "bins", [claim], "bin", only=only)
    ]
    return [*flip_set_results.against_random(settings, results, made), flip_set_results.memorisation(results)]


def draw(settings: Settings, results: Results) -> Figure:
    """Adversarial accuracy per bin beside random flips, the distance of the flips in each bin, and over the radius."""
    radii = len(epsilon.radii(settings["epsilon"])) > 1
    figure, ((left, right, *rest),) = drawing.panels(2 + radii, width=3.4, height=3.0)
    if radii:
        flip_set_results.plot_radii(rest[0], settings, results, "(c) The choice of ε")
    bins = "bin: nearest to farthest from the boundary"
    flip_set_results.plot(left, flip_set_results.aa(results, "bins"), results, "(a) Impact", bins, "AA, both classes")
    figure.legend(loc="outside lower center", ncols=3)
    steps = collect(results, "steps").T
    drawing.bars(right, range(1, len(steps) + 1), steps.tolist(), drawing.GREY, "flips")
    right.set(title="(b) Distance of the flips", xlabel=bins, ylabel="steps of .01 to the boundary")
    right.set(xticks=range(1, len(steps) + 1), ylim=(0, None))
    return figure
