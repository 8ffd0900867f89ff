"""Single flips of class 5 to 6: does it matter which point is flipped? (thesis §4.7)"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lnbench.thesis import drawing, epsilon, flip_set_results, flip_sets, images
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.plan import GUESS, Plan
from lnbench.thesis.verdicts import VOID, Verdict, above, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, 5 → 6: adversarial accuracy after a single flip, over points and seeds"
THESIS = "§4.7, figure 9"
QUICK = {**images.QUICK, "splits": 8, "points": 20, "test": 800, "epsilon": 0.075, "pgd_steps": 20}
FULL = {
    **QUICK,
    **images.FULL_CNN,
    "splits": 16,
    "points": 10,
    "test": 892,
    "epsilon": [*epsilon.GRID[:-1], 0.12, epsilon.GRID[-1]],
}
PLAN = {"spread": Plan(2, 7, GUESS, "differ", levels=10)}
CHOICES = (
    "The training points are {train} of MNIST's 60,000, the same for all seeds, and {points} of their fives are drawn "
    "at random. Each is flipped alone (the thesis tries three), with {splits} seeds of the initialisation and the "
    "batch order; all networks of a seed share both. Up to {test} test points of class 5 are attacked.",
    images.NETWORK,
    images.TARGETED,
    epsilon.RULE,
    "Level full has .12 as well, since a clean CNN keeps 87 % at .1 there (figure 16).",
    "A point whose flip one of the seeds does not memorise is left out of the verdicts, since it would look harmless "
    "for that reason alone. That some are worse agrees if an F test tells the points apart, and disagrees if the 97.5 "
    "% limit of the standard deviation between them is below .5 pp.",
    "The random flips of the rule are these single ones. The interval is over seeds, so the verdicts hold for this "
    "training set.",
)
_CLAIMS = (
    "Flipping certain points is worse for adversarial accuracy than flipping others.",
    "Not in the thesis: the point that is worst on half of the seeds is worse than others on the other half.",
    "Not in the thesis: a single flip lowers the adversarial accuracy.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per seed, all on the same split."""
    shared = {name: value for name, value in settings.items() if name != "splits"}
    return [{**shared, "split": 0, "seed": seed} for seed in range(settings["splits"])]


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """A clean network and one per point with only that point flipped, all from one initialisation."""
    sample = images.load_mnist(cell)
    chosen = sample.rng.choice(sample.of_class(5), cell["points"], replace=False)
    sample = dataclasses.replace(sample, seed=2 * cell["seed"])
    groups = {"single": [chosen[i : i + 1] for i in range(len(chosen))]}
    return {**flip_sets.measure(cell, sample, groups, (5, 6), report), "points": chosen.tolist()}


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """Points against seeds, the worst point against the others, and a single flip against none."""
    always = flip_set_results.memorised_shares(results)["single"].min(0) == 100
    aa = flip_set_results.aa(results, "single")[always]
    if len(aa) < 2:
        why = f"only {len(aa)} of the points are memorised with every seed"
        return [*(Verdict(claim, VOID, why) for claim in _CLAIMS), flip_set_results.memorisation(results)]
    halves = np.arange(aa.shape[1]) % 2
    lead = np.zeros(aa.shape[1])
    for half in (0, 1):
        worst = int(aa[:, halves != half].mean(1).argmin())
        lead[halves == half] = (np.delete(aa, worst, 0).mean(0) - aa[worst])[halves == half]
    return [
        spread(
            _CLAIMS[0],
            f"AA over the {len(aa)} single flips of {len(always)} that are memorised with every seed",
            aa,
            margin=0.5,
            plan=PLAN["spread"],
        ),
        above(
            _CLAIMS[1],
            "AA, mean of the other points minus the worst point",
            lead,
        ),
        above(
            _CLAIMS[2],
            "AA, clean minus the mean over single flips",
            flip_set_results.clean_aa(results) - aa.mean(0),
        ),
        flip_set_results.memorisation(results),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Adversarial accuracy for each flipped point over the seeds, worst first, beside the clean network; over radii."""
    radii = len(epsilon.radii(settings["epsilon"])) > 1
    figure, ((axis, *rest),) = drawing.panels(1 + radii, width=6.4 - 1.6 * radii, height=3.1)
    if radii:
        flip_set_results.plot_radii(rest[0], settings, results, "The choice of ε")
    aa = flip_set_results.aa(results, "single") / 100
    order = aa.mean(1).argsort()
    places = range(1, len(order) + 1)
    for seed in aa[order].T:
        axis.plot(places, seed, ".", color=drawing.POISONED, alpha=0.22, markersize=4)
    drawing.bars(axis, places, aa[order].tolist(), drawing.POISONED, f"mean of {aa.shape[1]} seeds")
    drawing.level(axis, (flip_set_results.clean_aa(results) / 100).tolist(), drawing.CLEAN, "clean")
    axis.set(xlabel="the flipped point, lowest mean first", ylabel="AA (5 → 6)", xticks=places[::2])
    low, high = np.floor(20 * aa.min()) / 20, np.ceil(20 * aa.max()) / 20
    drawing.percent(axis, float(low), float(high))
    figure.legend(loc="outside lower center", ncols=2)
    return figure
