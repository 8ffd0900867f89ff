"""Lengths of targeted adversarial paths on MNIST, class by class (thesis §4.10.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lnbench.thesis import drawing, images, networks, path_counts, shared_networks
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.plan import Plan
from lnbench.thesis.verdicts import Verdict, above, negated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST: lengths of the targeted adversarial paths to the next class, over the training points of each class"
THESIS = "§4.10.3, figure 16"
QUICK = {**images.QUICK_CNN, "most": 120, "epsilon": 0.1, "pgd_steps": 20}
FULL = {**QUICK, **images.FULL_CNN, "test": 1000, "splits": 20, "most": 1000}
PLAN = {
    "classes": Plan(5, 4.3, "fig16 quick"),
    "near": Plan(10, 23, "fig16 quick"),
    "broken": Plan(20, 18, "fig16 quick", refutes=True),
}
CHOICES = (
    *images.CHOICES,
    "A path takes steps of ω = .01 along the sign of the gradient of the cross-entropy towards the next class (9 → "
    "0), without a box, and at most {most}. “Much farther” means by more than 5 steps, “almost the entire” more than "
    "90 %, and “0” below 5 %.",
    images.TARGETED,
    "ε is {epsilon}, which the claim names. The claims are judged on a convolutional network, as in the thesis. An "
    "MLP of two layers on 1,500 digits is another matter: of class 1 all points were within 10 steps, and AA(1 → 2) "
    "was 0 in 6 of 6. (The level quick was first run on that MLP, where the last two claims agreed.)",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return images.cells(settings)


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Path lengths of every training point on one clean network, and its adversarial accuracy from class to class."""
    sample = images.load_mnist(cell)
    victims = shared_networks.clean(cell, sample, report)
    steps = networks.boundary_steps(victims, sample.inputs, (sample.labels + 1) % 10, targeted=True, most=cell["most"])
    return {
        "lengths": [np.bincount(steps[sample.labels == c], minlength=cell["most"] + 2).tolist() for c in range(10)],
        "aa": [
            networks.adversarial_accuracy(cell, victims, sample.tests_of_class(c), (c + 1) % 10)[0] for c in range(10)
        ],
    }


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """Differences between the classes, and the two claims about class 1."""
    lengths = collect(results, "lengths")  # (split, class, steps), counts
    medians = path_counts.medians(lengths)
    broken = above(
        "",
        "AA(1 → 2)",
        100 * collect(results, "aa", 1),
        limit=5.0,
        unit="%",
        plan=PLAN["broken"],
    )
    return [
        above(
            "Some classes are much farther from the boundary than others.",
            f"median steps, farthest class minus nearest class ({path_counts.never(lengths)})",
            medians.max(1) - medians.min(1),
            limit=5.0,
            unit="steps",
            plan=PLAN["classes"],
        ),
        above(
            "Of class 1 almost the entire training set lies within 10 steps.",
            f"share within 10 steps (median {np.mean(medians[:, 1]):.0f} steps)",
            100 * (lengths[:, 1, :11].sum(1) / lengths[:, 1].sum(1)),
            limit=90.0,
            unit="%",
            plan=PLAN["near"],
        ),
        negated(broken, "The adversarial accuracy from 1 to 2 at ε = .1 is 0."),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """The distribution of lengths of each class, as a ridge, with its median and adversarial accuracy."""
    import matplotlib as mpl

    figure, ((axis,),) = drawing.panels(width=5.6, height=4.0)
    shades = mpl.colormaps["viridis"](np.linspace(0.0, 0.85, 10))
    total = collect(results, "lengths").sum(0)
    last = path_counts.last_step(total)
    aa = 100 * collect(results, "aa").mean(0)
    for c in range(10):
        counts = total[c, :last]
        smooth = np.convolve(counts, [0.25, 0.5, 0.25], "same")
        height = 0.9 * smooth / smooth.max()
        axis.fill_between(range(last), c, c + height, color=shades[c], alpha=0.75, linewidth=0.6, step="mid")
        middle = int(path_counts.medians(total[c]))
        axis.plot([middle, middle], [c, c + 0.9], color="black", linewidth=1.2)
        axis.text(1.01 * last, c + 0.25, f"{aa[c]:.0f} %", fontsize=8)
    axis.text(1.01 * last, 10.05, f"AA, ε = {settings['epsilon']:g}", fontsize=8)
    axis.set_yticks(np.arange(10) + 0.25, [f"{c} → {(c + 1) % 10}" for c in range(10)])
    axis.axvline(10, color=drawing.POISONED, linestyle="--", linewidth=1.1, label="10 steps of .01 = ε of .1")
    axis.set(xlabel="steps of .01 to the next class (black: median)", ylim=(-0.1, 10.3), xlim=(0, last))
    axis.legend(loc="upper right")
    return figure
