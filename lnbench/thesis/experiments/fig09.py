"""Single flips of class 5 to 6: does it matter which point is flipped? (thesis §4.7)"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lnbench.thesis import impact, panel, pictures
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import Verdict, above, spread

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, 5 → 6: adversarial accuracy after a single flip, over points and seeds"
THESIS = "§4.7, figure 9"
QUICK = {**pictures.SIZES, "splits": 8, "points": 20, "test": 800, "epsilon": 0.075, "pgd_steps": 20}
FULL = {**QUICK, "splits": 20, "points": 40, "train": 60000, "test": 892, "steps": 14000}
CHOICES = (
    "{train} of MNIST's 60,000 training points, drawn once; {points} of its fives at random. Every one is flipped "
    "alone (the thesis: three), on every one of {splits} seeds of the initialisation and the batch order; all networks "
    "of a seed share both. Up to {test} test points of class 5 attacked.",
    "The network: {depth} hidden layers of {width} ReLU units (the thesis uses an unnamed convolutional network); "
    "Adam, one-cycle, {steps} steps of {batch}, peak rate {rate}.",
    pictures.ATTACK,
    "The interval is over seeds: the verdicts hold for this training set.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per seed, all on the same split."""
    own = {k: v for k, v in settings.items() if k != "splits"}
    return [{**own, "split": 0, "seed": seed} for seed in range(settings["splits"])]


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """A clean network, and one per point with that point flipped, from one initialisation."""
    data = pictures.load(cell)
    chosen = data.rng.choice(data.of(5), cell["points"], replace=False)
    data = dataclasses.replace(data, seed=2 * cell["seed"])
    groups = {"single": [chosen[i : i + 1] for i in range(len(chosen))]}
    found = impact.impact(cell, data, groups, (5, 6), report)
    return {**found, "points": chosen.tolist()}


def verdicts(settings: Settings, found: Results) -> list[Verdict]:
    """Variance between points against that between seeds, and the worst point against the others."""
    aa = panel.points(found, "single")
    clean = 100 * np.array([f["result"]["clean"] for f in found])
    halves = np.arange(aa.shape[1]) % 2
    lead = np.zeros(aa.shape[1])
    for half in (0, 1):
        worst = int(aa[:, halves != half].mean(1).argmin())
        lead[halves == half] = (np.delete(aa, worst, 0).mean(0) - aa[worst])[halves == half]
    return [
        spread(
            "Flipping certain points is worse for adversarial accuracy than flipping others.",
            "AA over single flips",
            aa,
            margin=0.5,
        ),
        above(
            "Not in the thesis: the worst point, found on half of the seeds, is the worst on the others.",
            "AA, mean of the other points minus the worst point",
            lead,
        ),
        above(
            "Not in the thesis: one flip lowers the adversarial accuracy at all.",
            "AA, clean minus the mean over single flips",
            clean - aa.mean(0),
        ),
        panel.memorised(found),
    ]


def draw(settings: Settings, found: Results) -> Figure:
    """Every point's AA over the seeds, worst first, against the clean network."""
    from lnbench.thesis import drawing

    figure, ((axis,),) = drawing.panels(width=6.4, height=3.1)
    aa = panel.points(found, "single") / 100
    order = aa.mean(1).argsort()
    places = range(1, len(order) + 1)
    for seed in aa[order].T:
        axis.plot(places, seed, ".", color=drawing.POISONED, alpha=0.22, markersize=4)
    drawing.bars(axis, places, aa[order].tolist(), drawing.POISONED, f"mean of {aa.shape[1]} seeds")
    drawing.level(axis, [f["result"]["clean"] for f in found], drawing.CLEAN, "clean")
    axis.set(xlabel="the flipped point, by its mean", ylabel="AA (5 → 6)", xticks=places[::2])
    low, high = np.floor(20 * aa.min()) / 20, np.ceil(20 * aa.max()) / 20
    drawing.percent(axis, float(low), float(high))
    figure.legend(loc="outside lower center", ncols=2)
    return figure
