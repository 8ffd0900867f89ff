"""Lengths of targeted adversarial paths on MNIST, class by class (thesis §4.10.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lnbench.thesis import pictures
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import AGREES, DISAGREES, UNDECIDED, Verdict, above, interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST: steps of the targeted adversarial paths to the next class, over the training points of each class"
THESIS = "§4.10.3, figure 16"
QUICK = {**pictures.SIZES, "most": 120, "epsilon": 0.1, "pgd_steps": 20}
FULL = {**QUICK, "train": 60000, "test": 1000, "splits": 20, "steps": 14000, "most": 1000}
CHOICES = (
    *pictures.CHOICES,
    "Steps of ω = .01 along the sign of the gradient of the cross-entropy towards the next class (9 → 0), "
    "without a box, at "
    "most {most}.",
    "AA at ε = {epsilon}: targeted PGD, ℓ∞, {pgd_steps} sign steps of 2.5·ε/m in the pixels' box.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return pictures.cells(settings)


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Path lengths of every training point on one clean network; its AA from every class to the next."""
    data = pictures.load(cell)
    victims = pictures.trained(cell, data, data.labels, report)
    steps = pictures.lengths(victims, data.inputs, (data.labels + 1) % 10, targeted=True, most=cell["most"])
    return {
        "lengths": [np.bincount(steps[data.labels == c], minlength=cell["most"] + 2).tolist() for c in range(10)],
        "aa": [pictures.adversarial_accuracy(cell, victims, data.test_of(c), (c + 1) % 10)[0] for c in range(10)],
    }


def verdicts(settings: Settings, found: Results) -> list[Verdict]:
    """Differences between the classes, and the two claims about class 1."""
    medians = np.array([[_quantile(h, 0.5) for h in f["result"]["lengths"]] for f in found])
    within_ten = 100 * np.array([sum(f["result"]["lengths"][1][:11]) / sum(f["result"]["lengths"][1]) for f in found])
    aa = 100 * np.array([f["result"]["aa"][1] for f in found])
    share, (mean, low, high) = interval(within_ten), interval(aa)
    return [
        above(
            "Some classes are much farther from the boundary than others.",
            "median steps, farthest class minus nearest class",
            medians.max(1) - medians.min(1),
            limit=5.0,
            unit="steps",
        ),
        Verdict(
            "For class 1 almost the entire training set is within 10 steps.",
            AGREES if share[1] > 90 else DISAGREES if share[2] < 90 else UNDECIDED,
            f"share within 10 steps: {share[0]:.0f} % [{share[1]:.0f}, {share[2]:.0f}]; median "
            f"{np.mean(medians[:, 1]):.0f} steps",
            *share,
            len(found),
        ),
        Verdict(
            "The adversarial accuracy from 1 to 2 at ε = .1 is 0.",
            AGREES if high < 5 else DISAGREES if low > 5 else UNDECIDED,
            f"AA(1 → 2): {mean:.1f} % [{low:.1f}, {high:.1f}]",
            mean,
            low,
            high,
            len(found),
        ),
    ]


def draw(settings: Settings, found: Results) -> Figure:
    """A violin-like ridge of lengths per class."""
    import matplotlib as mpl

    from lnbench.thesis import drawing

    figure, ((axis,),) = drawing.panels(width=5.6, height=4.0)
    shades = mpl.colormaps["viridis"](np.linspace(0.0, 0.85, 10))
    total = np.array([f["result"]["lengths"] for f in found]).sum(0)
    last = int(np.flatnonzero(total[:, :-1].sum(0)).max()) + 2
    for c in range(10):
        counts = total[c, :last]
        smooth = np.convolve(counts, [0.25, 0.5, 0.25], "same")
        height = 0.9 * smooth / smooth.max()
        axis.fill_between(range(last), c, c + height, color=shades[c], alpha=0.75, linewidth=0.6, step="mid")
        middle = _quantile(total[c].tolist(), 0.5)
        axis.plot([middle, middle], [c, c + 0.9], color="black", linewidth=1.2)
        aa = 100 * np.mean([f["result"]["aa"][c] for f in found])
        axis.text(1.01 * last, c + 0.25, f"{aa:.0f} %", fontsize=8)
    axis.text(1.01 * last, 10.05, f"AA, ε = {settings['epsilon']:g}", fontsize=8)
    axis.set_yticks(np.arange(10) + 0.25, [f"{c} → {(c + 1) % 10}" for c in range(10)])
    axis.axvline(10, color=drawing.POISONED, linestyle="--", linewidth=1.1, label="10 steps of .01 = ε of .1")
    axis.set(xlabel="steps of .01 to the next class (black: median)", ylim=(-0.1, 10.3), xlim=(0, last))
    axis.legend(loc="upper right")
    return figure


def _quantile(counts: list[int], share: float) -> int:
    """The smallest length that this share of the points does not exceed."""
    return int(np.searchsorted(np.cumsum(counts), share * sum(counts)))
