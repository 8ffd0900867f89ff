"""Flips from ranges of adversarial path length: zeros and ones of MNIST, and the toy Gaussians (thesis §4.10.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lnbench.adversary import pgd
from lnbench.thesis import impact, panel, pictures, toy_networks
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import Verdict, above, falling

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Adversarial accuracy against the flips' path length: zeros and ones of MNIST, and toy Gaussians"
THESIS = "§4.10.3, figure 15"
TOY = {
    "d": 16,
    "n": 500,
    "test": 300,
    "distance": 4.0,
    "depth": 3,
    "width": 64,
    "steps": 400,
    "batch": 64,
    "rate": 0.01,
    "flips": 4,
    "epsilon": 0.5,
    "step": 0.02,
}
BOTH = {"buckets": 6, "draws": 2, "randoms": 4, "pgd_steps": 20, "most": 200}
QUICK = {
    **pictures.SIZES,
    **BOTH,
    "splits": 8,
    "flips": 6,
    "steps": 1400,
    "rate": 0.008,
    "epsilon": 0.1,
    "toy": {**TOY, **BOTH, "splits": 20},
}
FULL = {**QUICK, "train": 12000, "test": 1200, "splits": 20, "flips": 24, "steps": 6000, "rate": 0.004}
CHOICES = (
    *pictures.CHOICES,
    "Only zeros and ones, {flips} labels flipped to the other class. Path lengths: steps of .01 of the unbounded "
    "untargeted attack on one clean network. Both classes' lengths together, between their 5 % and 95 % quantiles, are "
    "cut into {buckets} ranges of equal width, as in the thesis; {draws} sets of flips from each range (one with fewer "
    "points takes the nearest others), {randoms} random sets.",
    "AA of both classes together: untargeted PGD, ℓ∞, ε = {epsilon} ({toy[epsilon]} and no box on the toy set), "
    "{pgd_steps} sign steps of 2.5·ε/m; broken if any iterate is misclassified.",
    "The thesis leaves its item for the toy set empty. Here: {toy[splits]} draws of D(d = {toy[d]}, µ√d = "
    "{toy[distance]}, σ = 1) of {toy[n]} points, {toy[flips]} flips among them, steps of {toy[step]}; {toy[depth]} "
    "hidden layers of {toy[width]} units, {toy[steps]} steps of {toy[batch]}, peak rate {toy[rate]}.",
)
_MNIST, _TOY = "mnist", "toy"


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split of MNIST, one per draw of the toy set."""
    own = {k: v for k, v in settings.items() if k != "toy"}
    return [*pictures.cells(own, kind=_MNIST), *pictures.cells(settings["toy"], kind=_TOY)]


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Path lengths on a clean network, then networks for every range and for random sets."""
    if cell["kind"] == _TOY:
        return _on_toy(cell)
    data = pictures.load(cell, (0, 1))
    clean = pictures.trained(cell, data, data.labels, num_classes=2)
    steps = pictures.lengths(clean, data.inputs, data.labels, targeted=False, most=cell["most"])
    sets, inside = impact.ranges(steps, cell["buckets"], cell["flips"], data.rng, cell["draws"])
    drawn = [data.rng.choice(len(steps), cell["flips"], replace=False) for _ in range(cell["randoms"])]
    found = impact.impact(cell, data, {"ranges": sets, "random": drawn}, 1 - data.labels, report, num_classes=2)
    return {**found, "inside": inside}


def verdicts(settings: Settings, found: Results) -> list[Verdict]:
    """The claims on zeros and ones, and the same questions of the toy set."""
    verdicts = []
    for kind, name, note in ((_MNIST, "zeros and ones", ""), (_TOY, "toy set", "Not in the thesis, on the toy set: ")):
        some = [f for f in found if f["cell"]["kind"] == kind]
        aa, random = _ranges(some), panel.baseline(some)
        inside = np.array([f["result"]["inside"] for f in some])
        most = inside.argmax(1)
        chosen = aa[most, np.arange(len(some))]
        others = np.array([np.delete(aa[:, i], m).mean() for i, m in enumerate(most)])
        verdicts += [
            above(
                note + "The closer the poisons are to the boundary, the less the adversarial accuracy falls.",
                f"{name}: AA, nearest range minus random",
                aa[0] - random,
            ),
            falling(
                note + "Farther from the boundary the impact only grows.",
                f"{name}: AA over ranges 1 (nearest) to last",
                range(1, len(aa) + 1),
                aa,
                margin=3.0,
            ),
            above(
                note + "The minimum is where most of the training points lie.",
                f"{name}: AA, mean of the other ranges minus the fullest range",
                others - chosen,
            ),
        ]
    return [*verdicts, panel.memorised([f for f in found if f["cell"]["kind"] == _MNIST])]


def draw(settings: Settings, found: Results) -> Figure:
    """AA per range above where the points lie, for both sets."""
    from lnbench.thesis import drawing

    figure, axes = drawing.panels(2, 2, width=3.7, height=2.3, height_ratios=[3, 1.5], sharex="col")
    x = "range of path length: shortest to longest"
    for column, (kind, title) in enumerate(((_MNIST, "(a) Zeros and ones of MNIST"), (_TOY, "(b) Toy Gaussians"))):
        some = [f for f in found if f["cell"]["kind"] == kind]
        panel.panel(axes[0, column], _ranges(some), some, title, "", "AA, both classes")
        inside = np.array([f["result"]["inside"] for f in some], dtype=float)
        shares = (inside / inside.sum(1, keepdims=True).clip(1)).T
        below = axes[1, column]
        drawing.bars(below, range(1, len(shares) + 1), shares.tolist(), drawing.GREY, "points")
        below.set(xlabel=x, ylabel="share of the points")
        drawing.percent(below, 0.0, 0.6)
    handles = axes[0, 0].get_legend_handles_labels()[0]
    figure.legend(handles, ["flips from one range", "random flips", "clean"], loc="outside lower center", ncols=3)
    return figure


def _ranges(found: Results) -> np.ndarray:
    """AA per range, mean over a split's draws, (range, split), in percentage points."""
    values = panel.points(found, "ranges")
    draws = found[0]["cell"]["draws"]
    means: np.ndarray = values.reshape(-1, draws, values.shape[1]).mean(1)
    return means


def _on_toy(cell: dict[str, Any]) -> dict[str, Any]:
    """The same on one draw of the toy set."""
    data = toy_networks.drawn(cell)
    steps = toy_networks.distances(toy_networks.trained(cell, data, data.labels), data, cell["step"], cell["most"])
    sets, inside = impact.ranges(steps, cell["buckets"], cell["flips"], data.rng, cell["draws"])
    sets += [data.rng.choice(len(steps), cell["flips"], replace=False) for _ in range(cell["randoms"])]
    labels = np.tile(data.labels, (1 + len(sets), 1))
    for row, index in zip(labels[1:], sets, strict=True):
        row[index] = 1 - row[index]
    victims = toy_networks.trained(cell, data, labels)
    tests, answers = torch.from_numpy(data.tests), torch.from_numpy(data.answers)
    attacked = pgd(
        victims,
        tests,
        answers,
        targeted=False,
        epsilons=[cell["epsilon"]],
        steps=cell["pgd_steps"],
        bounds=None,
    )
    aa = (1 - attacked.broken[:, 0].float().mean(1)).tolist()
    last = 1 + cell["buckets"] * cell["draws"]
    return {"clean": aa[0], "aa": {"ranges": aa[1:last], "random": aa[last:]}, "inside": inside}
