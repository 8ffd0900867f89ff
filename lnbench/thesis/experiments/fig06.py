"""Poisons of the opposite class, of a third class, and of a third class under PGD training (thesis §4.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lnbench.adversary import pgd
from lnbench.thesis import drawing, toy_networks
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.plan import AFTER, Plan
from lnbench.thesis.shapes import valley
from lnbench.thesis.verdicts import AGREES, DISAGREES, MEMORISED, VOID, Verdict, above, enough, within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Toy Gaussians: adversarial accuracy over the distance of the poisons, for three ways of poisoning and training"
THESIS = "§4.3, figure 6"
FULL = {
    **toy_networks.POISONED,
    "d": 16,
    "steps": 500,
    "rate": 0.005,
    "epsilon": 0.5,
    "distance": 4.0,
    "radii": [0.0, 0.25, 0.5, 0.85, 1.25, 1.75, 2.5],
    "inner_steps": 2,
    "inner_epsilon": 0.25,
}
QUICK = {**FULL, "seeds": 6, "radii": [0.0, 0.5, 0.85, 1.25, 2.5]}
PLAN = {
    "valley": Plan(2, 3, AFTER, "valley", levels=7),
    "alike": Plan(5, 2.7, AFTER, "within"),
    "pgd": Plan(2, 1.8, AFTER),
}
CHOICES = (
    *toy_networks.CHOICES,
    "The means lie at distance µ√d/σ = {distance} from the boundary; {per_class} poisons per class.",
    "“Very similar” means within 5 pp, as “about as good” does in figure 17. §4.2 and §4.9 call poisons of a third "
    "class milder: figure 5 has that claim, on its own sets.",
    "A curve, and PGD training, is judged at those r alone at which the networks compared fit at least 95 % of the "
    "poisons. (At first at all r: the curve with PGD training agreed, and its AA was higher by 8.5 pp.)",
    "PGD training: untargeted PGD of {inner_steps} steps at ε = {inner_epsilon} replaces every batch, for as many "
    "optimiser steps as without it (the thesis doubts that its own comparison is fair).",
)
Array = np.ndarray
ByArm = dict[str, Array]
_ARMS = {
    "opposite": "opposite class",
    "third": "third class",
    "pgd": "third class, PGD training",
}


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per arm and per distance of the poisons (None: no poisons)."""
    inner = {key: settings[key] for key in ("inner_steps", "inner_epsilon")}
    return [
        toy_networks.cell(settings, distance=settings["distance"], radius=radius, third=arm != "opposite", arm=arm)
        | (inner if arm == "pgd" else {})
        for arm in _ARMS
        for radius in [None, *settings["radii"]]
    ]


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Accuracies of the victims, which are trained against the adversary if the arm says so."""

    def perturb(model: Callable[[Tensor], Tensor], inputs: Tensor, labels: Tensor) -> Tensor:
        attacked = pgd(
            model,
            inputs,
            labels,
            targeted=False,
            epsilons=[cell["inner_epsilon"]],
            steps=cell["inner_steps"],
            bounds=None,
            rule="last",
            keep_points=True,
        )
        if attacked.points is None:
            raise RuntimeError("the attack was asked for its points")
        return attacked.points[:, 0]

    sets, victims, _ = toy_networks.train(cell, report, perturb=perturb if cell["arm"] == "pgd" else None)
    return toy_networks.accuracies(cell, sets, victims)


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """The shape of each curve, differences between them, and whether the poisons are fitted."""
    aa, natural, fitted = (
        {arm: 100 * np.array(_curve(results, arm, name)[1:]) for arm in _ARMS}
        for name in ("adversarial", "natural", "fitted")
    )
    fits = {arm: np.flatnonzero([enough(share) for share in fitted[arm].mean(1)]) for arm in _ARMS}
    training = {arm: 100 * np.array(_curve(results, arm, "training")[1:]) for arm in _ARMS}
    return [
        *(_shape(settings["radii"], arm, aa[arm], fits[arm]) for arm in _ARMS),
        within(
            "Poisons of a third class are very similar to those of the opposite class.",
            "AA, third class minus opposite class, all r",
            (aa["third"] - aa["opposite"]).mean(0),
            margin=PLAN["alike"].margin,
            plan=PLAN["alike"],
        ),
        *_by_training(settings["radii"], aa, natural, np.intersect1d(fits["third"], fits["pgd"])),
        _all_fitted(training, [float(fitted[arm][0].mean()) for arm in _ARMS]),
    ]


def _shape(radii: list[float], arm: str, aa: Array, fits: Array) -> Verdict:
    """Whether the AA of an arm, (radii, seeds), is a valley over the radii at which its poisons are fitted."""
    claim = f"AA first falls and then rises as the poisons are placed farther away ({_ARMS[arm]})."
    if len(fits) < 3:
        why = f"at only {len(fits)} of {len(radii)} distances {MEMORISED:g} % of the poisons are fitted"
        return Verdict(claim, VOID, why)
    at = [radii[place] for place in fits]
    where = "" if len(at) == len(radii) else f" at r of {at[0]:g} to {at[-1]:g}, where the poisons are fitted"
    return valley(claim, f"AA, {_ARMS[arm]}{where}", at, aa[fits], plan=PLAN["valley"])


def _by_training(radii: list[float], aa: ByArm, natural: ByArm, both: Array) -> list[Verdict]:
    """What PGD training costs, over the radii ``both`` at which the networks with and without it fit the poisons."""
    compared = f"r of {', '.join(f'{radii[place]:g}' for place in both)}"
    return [
        Verdict(claim, VOID, f"at no distance do both networks fit {MEMORISED:g} % of the poisons")
        if len(both) == 0
        else above(
            claim,
            f"{what}, third class without minus with PGD training, {compared}",
            (values["third"] - values["pgd"])[both].mean(0),
            plan=plan,
        )
        for claim, what, values, plan in (
            ("PGD training makes the poisoned network's AA worse.", "AA", aa, PLAN["pgd"]),
            (
                "PGD training makes the poisoned network's natural accuracy a little worse.",
                "natural accuracy",
                natural,
                None,
            ),
        )
    ]


def _all_fitted(training: ByArm, near: list[float]) -> Verdict:
    """Whether every network has a training accuracy of 100 %; ``near``: each arm's poisons fitted at r = 0."""
    whole = {arm: float((share > 99.999).mean()) for arm, share in training.items()}
    mean = float(np.mean(list(whole.values())))
    by_arm = ", ".join(f"{_ARMS[arm]} {100 * share:.0f} %" for arm, share in whole.items())
    return Verdict(
        "The classifiers reach 100 % training accuracy in all of the experiments.",
        AGREES if mean == 1 else DISAGREES,
        f"{100 * mean:.1f} % of the poisoned networks do ({by_arm}); at r = 0, {near[0]:.0f} %, "
        f"{near[1]:.0f} % and {near[2]:.0f} % of the poisons are fitted",
        n=sum(share.size for share in training.values()),
    )


def draw(settings: Settings, results: Results) -> Figure:
    """Adversarial and natural accuracy against r, one panel per arm."""
    figure, (axes,) = drawing.panels(3, width=2.9, height=2.9, sharey=True)
    lowest = min(float(np.mean(values)) for arm in _ARMS for values in _curve(results, arm, "adversarial"))
    low = max(0.0, np.floor(10 * lowest - 0.5) / 10)
    colours = (drawing.POISONED, drawing.THIRD, drawing.RANDOM)
    for axis, (arm, label), colour, letter in zip(axes, _ARMS.items(), colours, "abc", strict=True):
        clean, *poisoned = _curve(results, arm, "adversarial")
        drawing.curve(
            axis, settings["radii"], _curve(results, arm, "natural")[1:], drawing.GREY, "natural", linewidth=1.1
        )
        drawing.curve(axis, settings["radii"], poisoned, colour, "adversarial")
        drawing.level(axis, clean, drawing.CLEAN, "adversarial, no poisons")
        axis.set(title=f"({letter}) {label}", xlabel="distance of the poisons r / (σ√d)")
        drawing.percent(axis, low)
    axes[0].set_ylabel("accuracy")
    axes[0].legend(loc="lower right", fontsize=7.5)
    return figure


def _curve(results: Results, arm: str, quantity: str) -> list[list[float]]:
    """One quantity of an arm over the radii, the seeds of each; clean comes first."""
    return [entry["result"].get(quantity, []) for entry in results if entry["cell"]["arm"] == arm]
