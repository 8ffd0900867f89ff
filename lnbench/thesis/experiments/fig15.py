"""Flips from ranges of adversarial path length: zeros and ones of MNIST, and the toy Gaussians (thesis §4.10.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lnbench.thesis import (
    drawing,
    epsilon,
    flip_set_results,
    flip_sets,
    images,
    networks,
    shared_networks,
    toy_networks,
)
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.plan import Plan
from lnbench.thesis.shapes import falling, lowest
from lnbench.thesis.verdicts import Verdict, above, memorised

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Adversarial accuracy over the path length of the flips: zeros and ones of MNIST, and toy Gaussians"
THESIS = "§4.10.3, figure 15"
_BOTH = {"buckets": 6, "draws": 2, "randoms": 4, "pgd_steps": 20, "most": 200}
_TOY_SETTINGS = {**toy_networks.FLIPPED, **_BOTH, "splits": 20, "flips": 4, "epsilon": 0.5, "step": 0.02}
QUICK = {**images.QUICK, **images.ZEROS_AND_ONES, **_BOTH, "splits": 8, "toy": _TOY_SETTINGS}
FULL = {**QUICK, **images.ZEROS_AND_ONES_FULL, "splits": 26, "draws": 1, "randoms": 2, "epsilon": epsilon.GRID}
FULL["test"] = 600
PLAN = {
    "closer": Plan(2, 2.4, "fig11 quick"),
    "growing": Plan(10, 8, "fig15 quick", "falling", levels=6, slack=3),
    "minimum": Plan(5, 7, "fig15 quick", "lowest", levels=6),
}
CHOICES = (
    *images.CHOICES,
    images.UNTARGETED,
    epsilon.RULE,
    "Only zeros and ones are drawn; {flips} labels are flipped to the other class. Path lengths are steps of .01 of "
    "the unbounded untargeted attack on one clean network. As in the thesis buckets are ranges of the lengths of both "
    "classes together: here {buckets} of equal width, between the 5 % and the 95 % quantile. Sets of flips "
    "from each range: {draws} (one with too few points takes those nearest to it, too); random sets: {randoms}.",
    "That flips closer to the boundary do less was first tested on the nearest range against random flips, and agreed "
    "at level quick; “grows” means that no range lies 3 pp above a nearer one. This agreed by an earlier test, "
    "which looked at the rise after the minimum alone; so did the toy set's minimum, against the mean of the other "
    "ranges.",
    "The item on the toy set is empty in the thesis. Here: {toy[splits]} draws of D(d = {toy[d]}, µ√d = "
    "{toy[distance]}, σ = 1) of {toy[n]} points, {toy[flips]} flips among them, paths in steps of {toy[step]}, ε = "
    "{toy[epsilon]} and no box; {toy[depth]} hidden layers of {toy[width]} units, {toy[steps]} steps of {toy[batch]}, "
    "peak rate {toy[rate]}.",
)
_MNIST, _TOY = "mnist", "toy"


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split of MNIST, one per draw of the toy set."""
    mnist = {name: value for name, value in settings.items() if name != "toy"}
    return [*images.cells(mnist, kind=_MNIST), *images.cells(settings["toy"], kind=_TOY)]


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Path lengths on a clean network; then one network per set of flips, from every range and random."""
    sample = toy_networks.sample(cell) if cell["kind"] == _TOY else images.load_mnist(cell, (0, 1))
    clean = shared_networks.clean(cell, sample, num_classes=2)
    step, most = cell.get("step", 0.01), cell["most"]
    steps = networks.boundary_steps(clean, sample.inputs, sample.labels, targeted=False, most=most, step=step)
    sets, inside = flip_sets.width_buckets(steps, cell["buckets"], cell["flips"], sample.rng, cell["draws"])
    random = flip_sets.random_sets([np.arange(len(steps))], cell["flips"], cell["randoms"], sample.rng)
    groups = {"ranges": sets, "random": random}
    result = flip_sets.measure(cell, sample, groups, 1 - sample.labels, report, num_classes=2)
    return {**result, "inside": inside}


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """The claims about zeros and ones, and the same about the toy set."""
    verdicts: list[Verdict] = []
    shares: dict[str, np.ndarray] = {}
    for kind, name in ((_MNIST, "zeros and ones"), (_TOY, "toy set")):
        some = _of_kind(results, kind)
        aa = _aa_by_range(some)
        fall = -np.polyfit(np.arange(len(aa)), aa, 1)[0]
        claims = [
            "the closer the flips are to the boundary, the less the adversarial accuracy falls.",
            "farther from the boundary the impact grows.",
            "the minimum is where most of the training points lie.",
        ]
        ours, plan = kind == _TOY, {} if kind == _TOY else PLAN
        start = "Not in the thesis, on the toy set: " if ours else ""
        closer, growing, minimum = (start + (claim if ours else claim[0].upper() + claim[1:]) for claim in claims)
        places, over = range(1, len(aa) + 1), f"{name}: AA over ranges 1 (nearest) to last"
        made = [
            above(closer, f"{name}: fall of AA per range, least squares", fall, plan=plan.get("closer")),
            falling(growing, over, places, aa, margin=3.0, plan=plan.get("growing")),
            lowest(minimum, over, places, aa, collect(some, "inside").T, plan.get("minimum")),
        ]
        if "memorised" in some[0]["result"]:  # the first results on the toy set do not have it
            made = flip_set_results.each_memorised(some, "ranges", made, "range", some[0]["cell"]["draws"])
            shares |= {f"{group}, {name}": share for group, share in flip_set_results.memorised_shares(some).items()}
        verdicts += made if ours else flip_set_results.against_random(settings, some, made)
    return [*verdicts, memorised(shares)]


def draw(settings: Settings, results: Results) -> Figure:
    """Adversarial accuracy per range above the share of the points in it, for both sets; and over the radius."""
    radii = len(epsilon.radii(settings["epsilon"])) > 1
    figure, axes = drawing.panels(2 + radii, 2, width=3.7, height=2.3, height_ratios=[3, 1.5], sharex="col")
    if radii:
        flip_set_results.plot_radii(axes[0, 2], settings, _of_kind(results, _MNIST), "(c) The choice of ε")
        axes[0, 2].tick_params(labelbottom=True)
        axes[1, 2].set_axis_off()
    x = "range of path length: shortest to longest"
    for column, (kind, title) in enumerate(((_MNIST, "(a) Zeros and ones of MNIST"), (_TOY, "(b) Toy Gaussians"))):
        some = _of_kind(results, kind)
        flip_set_results.plot(axes[0, column], _aa_by_range(some), some, title, "", "AA, both classes")
        inside = collect(some, "inside").astype(float)
        shares = (inside / inside.sum(1, keepdims=True).clip(1)).T
        below = axes[1, column]
        drawing.bars(below, range(1, len(shares) + 1), shares.tolist(), drawing.GREY, "points")
        below.set(xlabel=x, ylabel="share of the points")
        drawing.percent(below, 0.0, 0.6)
    handles = axes[0, 0].get_legend_handles_labels()[0]
    figure.legend(handles, ["flips from one range", "random flips", "clean"], loc="outside lower center", ncols=3)
    return figure


def _of_kind(results: Results, kind: str) -> Results:
    return [entry for entry in results if entry["cell"]["kind"] == kind]


def _aa_by_range(results: Results) -> np.ndarray:
    """Adversarial accuracy per range, mean over the sets of a split, in percent, (range, split)."""
    values = flip_set_results.aa(results, "ranges")
    draws = results[0]["cell"]["draws"]
    means: np.ndarray = values.reshape(-1, draws, values.shape[1]).mean(1)
    return means
