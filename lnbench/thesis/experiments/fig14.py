"""How far training points lie from the decision boundary: zeros and ones of MNIST, and the toy set (§4.10.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import spearmanr

from lnbench.thesis import pictures, toy_networks
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import Verdict, above, within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Steps of the adversarial paths over the training points: zeros and ones of MNIST, and toy Gaussians"
THESIS = "§4.10.3, figure 14"
TOY = {"d": 16, "n": 500, "test": 300, "distance": 4.0, "depth": 3, "width": 64, "steps": 400, "batch": 64}
QUICK = {**pictures.SIZES, "splits": 8, "most": 200, "seeds": 20, "toy": {**TOY, "rate": 0.01}, "toy_step": 0.02}
FULL = {**QUICK, "train": 60000, "splits": 20, "steps": 14000, "most": 1000}
CHOICES = (
    *pictures.CHOICES,
    "Zeros and ones of MNIST: as many training points of these two classes alone. Steps of ω = .01 along the sign of "
    "the gradient of the cross-entropy, away from the label, without a box, until the output flips; at most {most}. "
    "All ten classes: towards the next class, as in figure 16.",
    "The toy set: {seeds} draws of D(d = {toy[d]}, µ√d = {toy[distance]}, σ = 1) of {toy[n]} points; {toy[depth]} "
    "hidden layers of {toy[width]} units, {toy[steps]} steps of {toy[batch]}, peak rate {toy[rate]}; steps of "
    "{toy_step}. Its true boundary is x·1 = 0, |x·1|/d away in ℓ∞.",
)
_ZERO_ONE, _TEN, _TOY = "zero-one", "ten", "toy"


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split for zeros and ones and for all classes, one per draw of the toy set."""
    own = {k: v for k, v in settings.items() if not k.startswith("toy") and k != "seeds"}
    toy = {**settings["toy"], "most": settings["most"], "step": settings["toy_step"]}
    return [
        *pictures.cells(own, kind=_ZERO_ONE),
        *pictures.cells(own, kind=_TEN),
        *pictures.cells({**toy, "splits": settings["seeds"]}, kind=_TOY),
    ]


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Path lengths of every training point on one clean network."""
    most = cell["most"]
    if cell["kind"] == _TOY:
        draw = toy_networks.drawn(cell)
        steps = toy_networks.distances(toy_networks.trained(cell, draw, draw.labels), draw, cell["step"], most)
        true = np.abs(draw.inputs.sum(1)) / cell["d"]
        walked = cell["step"] * steps
        return {
            "lengths": _counts(steps, draw.labels, 2, most),
            "rank": float(spearmanr(walked, true).statistic) if np.ptp(steps) else 0.0,
            "ratio": float(np.median(walked / true)),
        }
    ten = cell["kind"] == _TEN
    data = pictures.load(cell, range(10) if ten else (0, 1))
    number = 10 if ten else 2
    victims = pictures.trained(cell, data, data.labels, report, num_classes=number)
    goals = (data.labels + 1) % 10 if ten else data.labels
    steps = pictures.lengths(victims, data.inputs, goals, targeted=ten, most=most)
    return {"lengths": _counts(steps, data.labels, number, most)}


def verdicts(settings: Settings, found: Results) -> list[Verdict]:
    """Against the full MNIST, between the two classes, and against the toy's true distances."""
    two, ten = (np.array([_medians(r) for r in _results(found, kind)]) for kind in (_ZERO_ONE, _TEN))
    toy = _results(found, _TOY)
    return [
        above(
            "On the full MNIST some classes are farther from the boundary than zeros and ones are here.",
            "median steps, farthest of ten classes minus the farther of zeros and ones",
            ten.max(1) - two.max(1),
            unit="steps",
        ),
        above(
            "Not in the thesis: zeros are farther from the boundary than ones.",
            "median steps, class 0 minus class 1",
            two[:, 0] - two[:, 1],
            unit="steps",
        ),
        above(
            "Not in the thesis: on the toy set the path lengths rank the points by their true distance.",
            "Spearman's correlation of path length and distance to the true boundary",
            [r["rank"] for r in toy],
            limit=0.9,
            unit="",
        ),
        within(
            "Not in the thesis: on the toy set the paths are as long as the true distance.",
            "path length over ℓ∞ distance to the true boundary, median, minus 1",
            [100 * (r["ratio"] - 1) for r in toy],
            margin=5.0,
            unit="%",
        ),
    ]


def draw(settings: Settings, found: Results) -> Figure:
    """Histograms per class, splits pooled."""
    from lnbench.thesis import drawing

    figure, (axes,) = drawing.panels(2, width=3.7, height=2.9)
    shown = (
        (axes[0], _ZERO_ONE, "(a) Zeros and ones of MNIST", 0.01, ("class 0", "class 1")),
        (axes[1], _TOY, "(b) Toy Gaussians", settings["toy_step"], ("mean −µ1", "mean +µ1")),
    )
    for axis, kind, title, step, names in shown:
        results = _results(found, kind)
        shares = np.array([[np.array(h) / max(sum(h), 1) for h in r["lengths"]] for r in results])
        last = int(np.flatnonzero(shares[:, :, :-1].sum((0, 1))).max()) + 2
        width = max(1, last // 40)
        edges = np.arange(0, last + width, width)
        for c, (colour, name) in enumerate(zip((drawing.THIRD, drawing.POISONED), names, strict=True)):
            parts = np.array([[share[c, a : a + width].sum() for a in edges[:-1]] for share in shares])
            centres = edges[:-1] + width / 2
            axis.stairs(parts.mean(0), edges, color=colour, fill=True, alpha=0.25)
            drawing.bars(axis, centres.tolist(), parts.T.tolist(), colour, name, markersize=2.5, capsize=0)
        label = f"steps of {step:g} until the output flips"
        axis.set(title=title, xlabel=label, ylabel="share of the class's training points", ylim=(0, None))
        axis.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axis.legend(loc="upper right")
    return figure


def _counts(steps: np.ndarray, labels: np.ndarray, number: int, most: int) -> list[list[int]]:
    return [np.bincount(steps[labels == c], minlength=most + 2).tolist() for c in range(number)]


def _results(found: Results, kind: str) -> list[dict[str, Any]]:
    return [f["result"] for f in found if f["cell"]["kind"] == kind]


def _medians(result: dict[str, Any]) -> list[int]:
    return [int(np.searchsorted(np.cumsum(h), sum(h) / 2)) for h in result["lengths"]]
