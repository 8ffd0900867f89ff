"""Flips by their distance from the decision boundary on zeros and ones of MNIST (thesis §4.9.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lnbench.thesis import impact, panel, pictures
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import Verdict, above, falling

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, zeros and ones: adversarial accuracy against the flips' distance from the decision boundary"
THESIS = "§4.9.2, figure 11"
QUICK = {
    **pictures.SIZES,
    "splits": 10,
    "steps": 1400,
    "rate": 0.008,
    "flips": 6,
    "buckets": 6,
    "randoms": 3,
    "epsilon": 0.1,
    "pgd_steps": 20,
    "most": 200,
}
FULL = {**QUICK, "train": 12000, "test": 1200, "splits": 20, "flips": 24, "steps": 6000, "rate": 0.004}
CHOICES = (
    *pictures.CHOICES,
    "Only zeros and ones, labels flipped to the other class; the network has two outputs. AA of both classes together: "
    "untargeted PGD, ℓ∞, ε = {epsilon}, {pgd_steps} sign steps of 2.5·ε/m in the pixels' box; broken if any iterate is "
    "misclassified.",
    "A point's distance: steps of .01 of the unbounded untargeted attack on one clean network, at most {most}. Bins: "
    "each class is cut into {buckets} parts of equal size along it; {flips} flips, half of each class, drawn from one "
    "bin. {randoms} random sets a split, half of each class too.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return pictures.cells(settings)


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Distances on a clean network, then one network per bin and per random set."""
    data = pictures.load(cell, (0, 1))
    clean = pictures.trained(cell, data, data.labels, num_classes=2)
    steps = pictures.lengths(clean, data.inputs, data.labels, targeted=False, most=cell["most"])
    half = cell["flips"] // 2
    parts = [[data.of(c)[i] for i in impact.even(steps[data.of(c)], cell["buckets"], half, data.rng)] for c in (0, 1)]
    binned = [np.concatenate(pair) for pair in zip(*parts, strict=True)]
    drawn = [
        np.concatenate([data.rng.choice(data.of(c), half, replace=False) for c in (0, 1)])
        for _ in range(cell["randoms"])
    ]
    found = impact.impact(cell, data, {"bins": binned, "random": drawn}, 1 - data.labels, report, num_classes=2)
    return {**found, "steps": [float(steps[index].mean()) for index in binned]}


def verdicts(settings: Settings, found: Results) -> list[Verdict]:
    """The shape, the trend, and both ends against random."""
    aa, random = panel.points(found, "bins"), panel.baseline(found)
    places = np.arange(1, len(aa) + 1)
    return [
        above(
            "Poisons farther from the boundary lower the adversarial accuracy more.",
            "fall of AA per bin, least squares",
            -np.polyfit(places, aa, 1)[0],
        ),
        falling(
            "The farther the worse, all the way: the curve does not turn.",
            "AA over bins 1 (nearest) to last",
            places.tolist(),
            aa,
            margin=3.0,
        ),
        above("The nearest poisons do less than random ones.", "AA, nearest bin minus random", aa[0] - random),
        above("The farthest poisons do more than random ones.", "AA, random minus farthest bin", random - aa[-1]),
        panel.memorised(found),
    ]


def draw(settings: Settings, found: Results) -> Figure:
    """AA per bin with the random band, beside the bins' distances."""
    from lnbench.thesis import drawing

    figure, ((left, right),) = drawing.panels(2, width=3.7, height=3.0)
    bins = "bin: nearest to farthest from the boundary"
    panel.panel(left, panel.points(found, "bins"), found, "(a) Impact", bins, "AA, both classes")
    figure.legend(loc="outside lower center", ncols=3)
    steps = np.array([f["result"]["steps"] for f in found]).T
    drawing.bars(right, range(1, len(steps) + 1), steps.tolist(), drawing.GREY, "flips")
    right.set(title="(b) Distance of the flips", xlabel=bins, ylabel="steps of .01 to the boundary")
    right.set(xticks=range(1, len(steps) + 1), ylim=(0, None))
    return figure
