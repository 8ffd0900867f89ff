"""How far training points lie from the decision boundary: zeros and ones of MNIST, and the toy Gaussians (§4.10.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.stats import spearmanr

from lnbench.thesis import drawing, images, networks, path_counts, shared_networks, toy_networks
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.plan import Plan
from lnbench.thesis.verdicts import Verdict, above, within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Lengths of the adversarial paths from the training points: zeros and ones of MNIST, and toy Gaussians"
THESIS = "§4.10.3, figure 14"
_PAIR = ("train", "steps", "rate")
QUICK = {
    **images.QUICK,
    "splits": 8,
    "most": 200,
    "pair": {"train": images.QUICK["train"], **{name: images.ZEROS_AND_ONES[name] for name in _PAIR[1:]}},
    "seeds": 20,
    "toy": toy_networks.FLIPPED,
    "toy_step": 0.02,
}
FULL = {
    **QUICK,
    **images.FULL_CNN,
    "splits": 20,
    "most": 1000,
    "pair": {name: images.ZEROS_AND_ONES_FULL[name] for name in _PAIR},
}
PLAN = {"farther": Plan(2, 2.3, "fig14 quick"), "zeros": Plan(2, 1.6, "fig14 quick")}
CHOICES = (
    *images.CHOICES_UNTESTED,
    "Zeros and ones of MNIST: {pair[train]} training points, all of these two classes, and {pair[steps]} steps, peak "
    "rate {pair[rate]}, as in figures 11 and 15. A path takes steps of ω = .01 along the sign of the gradient of the "
    "cross-entropy, away from the label, without a box, until the output flips, and at most {most}. All ten "
    "classes: towards the next class, as in figure 16.",
    "The toy set: {seeds} draws of D(d = {toy[d]}, µ√d = {toy[distance]}, σ = 1) of {toy[n]} points; {toy[depth]} "
    "hidden layers of {toy[width]} units, {toy[steps]} steps of {toy[batch]}, peak rate {toy[rate]}; paths in steps "
    "of {toy_step}. Its true boundary is x·1 = 0, at distance |x·1|/d in ℓ∞.",
)
_ZERO_ONE, _TEN, _TOY = "zero-one", "ten", "toy"


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split for zeros and ones and for all classes, one per draw of the toy set."""
    mnist = {name: value for name, value in settings.items() if name not in ("toy", "toy_step", "seeds", "pair")}
    toy = {**settings["toy"], "most": settings["most"], "step": settings["toy_step"]}
    return [
        *images.cells({**mnist, **settings["pair"]}, kind=_ZERO_ONE),
        *images.cells(mnist, kind=_TEN),
        *images.cells({**toy, "splits": settings["seeds"]}, kind=_TOY),
    ]


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Path lengths of every training point on one clean network."""
    toy, ten = cell["kind"] == _TOY, cell["kind"] == _TEN
    classes = 10 if ten else 2
    sample = toy_networks.sample(cell) if toy else images.load_mnist(cell, range(classes))
    victims = shared_networks.clean(cell, sample, report, num_classes=classes)
    goals = (sample.labels + 1) % 10 if ten else sample.labels
    step, most = cell.get("step", 0.01), cell["most"]
    steps = networks.boundary_steps(victims, sample.inputs, goals, targeted=ten, most=most, step=step)
    counts = [np.bincount(steps[sample.labels == c], minlength=most + 2).tolist() for c in range(classes)]
    if not toy:
        return {"lengths": counts}
    true, walked = np.abs(sample.inputs.sum(1)) / cell["d"], step * steps
    return {
        "lengths": counts,
        "rank": float(spearmanr(walked, true).statistic) if np.ptp(steps) else 0.0,
        "ratio": float(np.median(walked / true)),
    }


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """The classes against each other, and the lengths on the toy set against the true distances."""
    two, ten = (_medians(_of_kind(results, kind)) for kind in (_ZERO_ONE, _TEN))
    toy = _of_kind(results, _TOY)
    return [
        above(
            "On the full MNIST some classes are farther from the boundary than zeros and ones are here.",
            "median steps, farthest of ten classes minus the farther of zeros and ones "
            f"({path_counts.never(collect(_of_kind(results, _TEN), 'lengths'))})",
            ten.max(1) - two.max(1),
            unit="steps",
            plan=PLAN["farther"],
        ),
        above(
            "Not in the thesis: zeros are farther from the boundary than ones.",
            "median steps, class 0 minus class 1",
            two[:, 0] - two[:, 1],
            unit="steps",
            plan=PLAN["zeros"],
        ),
        above(
            "Not in the thesis: on the toy set the path lengths rank the points by their true distance.",
            "Spearman's correlation of path length and distance to the true boundary",
            collect(toy, "rank"),
            limit=0.9,
            unit="",
        ),
        within(
            "Not in the thesis: on the toy set the paths are as long as the true distance.",
            "path length over ℓ∞ distance to the true boundary, median, minus 1",
            100 * (collect(toy, "ratio") - 1),
            margin=5.0,
            unit="%",
        ),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Histograms of the lengths per class, with intervals over the splits."""
    figure, (axes,) = drawing.panels(2, width=3.7, height=2.9)
    shown = (
        (axes[0], _ZERO_ONE, "(a) Zeros and ones of MNIST", 0.01, ("class 0", "class 1")),
        (axes[1], _TOY, "(b) Toy Gaussians", settings["toy_step"], ("mean −µ1", "mean +µ1")),
    )
    for axis, kind, title, step, names in shown:
        lengths = collect(_of_kind(results, kind), "lengths")
        shares = lengths / lengths.sum(-1, keepdims=True).clip(1)
        last = path_counts.last_step(lengths)
        width = max(1, last // 40)
        edges = np.arange(0, last + width, width)
        for c, (colour, name) in enumerate(zip((drawing.THIRD, drawing.POISONED), names, strict=True)):
            parts = np.array([[share[c, a : a + width].sum() for a in edges[:-1]] for share in shares])
            centres = edges[:-1] + width / 2
            axis.stairs(parts.mean(0), edges, color=colour, fill=True, alpha=0.25)
            drawing.bars(axis, centres.tolist(), parts.T.tolist(), colour, name, markersize=2.5, capsize=0)
        label = f"steps of {step:g} until the output flips"
        axis.set(title=title, xlabel=label, ylabel="share of the training points of the class", ylim=(0, None))
        axis.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.0f} %")
        axis.legend(loc="upper right")
    return figure


def _of_kind(results: Results, kind: str) -> Results:
    return [entry for entry in results if entry["cell"]["kind"] == kind]


def _medians(results: Results) -> np.ndarray:
    """Median length of each class, (split, class)."""
    return path_counts.medians(collect(results, "lengths"))
