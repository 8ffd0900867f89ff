"""Flips to an 11th class against flips to the next or to any other class, all of MNIST (thesis §4.9.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lnbench.adversary import pgd
from lnbench.thesis import pictures
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import AGREES, DISAGREES, Verdict, above, within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST: adversarial accuracy with random flips to an 11th class, to the next class and to any other"
THESIS = "§4.9.1, figure 10"
QUICK = {
    **pictures.SIZES,
    "splits": 8,
    "steps": 1200,
    "test": 40,
    "flips": 45,
    "draws": 2,
    "epsilon": 0.03,
    "epsilons": [0.01, 0.02, 0.03, 0.04, 0.06, 0.08],
    "pgd_steps": 20,
    "margin": 1.0,
}
FULL = {**QUICK, "train": 60000, "test": 200, "splits": 8, "flips": 600, "steps": 14000, "epsilon": 0.08}
CHOICES = (
    *pictures.CHOICES,
    "{flips} random flips among all classes, {draws} sets a split; the same points are flipped to the next class "
    "(9 → 0), to a random other one of the ten, and to an 11th. All networks have eleven outputs, so that they start "
    "alike.",
    "Untargeted PGD on all classes, ℓ∞, {pgd_steps} sign steps of 2.5·ε/m in the pixels' box; broken if any iterate is "
    "misclassified, as the 11th class too. Verdicts are at ε = {epsilon}; “almost as high” is within {margin} pp.",
)
_ARMS = {"next": "to the next class", "other": "to any other class", "new": "to an 11th class"}


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return pictures.cells(settings)


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """A clean network, and one per kind of flip and set; AA at every radius."""
    data = pictures.load(cell)
    rows, flips = [data.labels], []
    for _ in range(cell["draws"]):
        index = data.rng.choice(len(data.labels), cell["flips"], replace=False)
        true = data.labels[index]
        shift = data.rng.integers(1, 10, len(index))
        rows += [data.flipped(index, target) for target in ((true + 1) % 10, (true + shift) % 10, 10)]
        flips += [index] * len(_ARMS)
    labels = np.stack(rows)
    victims = pictures.trained(cell, data, labels, report, num_classes=11)
    tests, answers = torch.from_numpy(data.tests), torch.from_numpy(data.answers)
    attacked = pgd(victims, tests, answers, targeted=False, epsilons=cell["epsilons"], steps=cell["pgd_steps"])
    aa = (1 - attacked.broken.double().mean(2)).numpy()  # (victim, epsilon)
    kept = pictures.memorised(cell, victims, data.inputs, labels, [np.zeros(1, np.int64), *flips])[1:]
    right = victims.predict(tests).eq(answers).double().mean(1).numpy()
    per = len(_ARMS)
    return {
        "clean": {"aa": aa[0].tolist(), "accuracy": float(right[0])},
        **{
            arm: {"aa": aa[1 + i :: per].mean(0).tolist(), "accuracy": float(right[1 + i :: per].mean())}
            for i, arm in enumerate(_ARMS)
        },
        "memorised": {arm: float(np.mean(kept[i::per])) for i, arm in enumerate(_ARMS)},
    }


def verdicts(settings: Settings, found: Results) -> list[Verdict]:
    """The 11th class against both others, and against no noise."""
    at = settings["epsilons"].index(settings["epsilon"])
    clean, onward, other, new = (_curves(found, arm)[at] for arm in ("clean", *_ARMS))
    kept = {arm: 100 * np.mean([f["result"]["memorised"][arm] for f in found]) for arm in _ARMS}
    return [
        above(
            "With flips to an 11th class the adversarial accuracy is much higher than with flips to the next class.",
            "AA, 11th class minus next class",
            new - onward,
        ),
        above(
            "With flips to an 11th class it is higher than with flips to any other class.",
            "AA, 11th class minus any other class",
            new - other,
        ),
        within(
            "With flips to an 11th class it is almost as high as without label noise.",
            "AA, clean minus 11th class",
            clean - new,
            margin=settings["margin"],
        ),
        above("Not in the thesis: flips to the next class lower it at all.", "AA, clean minus next", clean - onward),
        Verdict(
            "The networks fit the poisoned sets.",
            AGREES if min(kept.values()) >= 95 else DISAGREES,
            ", ".join(f"{kept[arm]:.1f} % of the flips {name}" for arm, name in _ARMS.items()),
            n=len(found),
        ),
    ]


def draw(settings: Settings, found: Results) -> Figure:
    """AA over the radius, and each arm's difference to no noise."""
    from lnbench.thesis import drawing

    figure, ((left, right),) = drawing.panels(2, width=3.7, height=3.1)
    radii = settings["epsilons"]
    colours = dict(zip(_ARMS, (drawing.POISONED, drawing.RANDOM, drawing.THIRD), strict=True))
    clean = _curves(found, "clean")
    accuracy = [[f["result"]["clean"]["accuracy"] for f in found]]
    drawing.curve(left, [0, *radii], [*accuracy, *(clean / 100).tolist()], drawing.CLEAN, "no label noise")
    for arm, name in _ARMS.items():
        curve = _curves(found, arm)
        accuracy = [[f["result"][arm]["accuracy"] for f in found]]
        drawing.curve(left, [0, *radii], [*accuracy, *(curve / 100).tolist()], colours[arm], name)
        drawing.curve(right, radii, (clean - curve).tolist(), colours[arm], name)
    left.set(title="(a) Adversarial accuracy", xlabel="ε (ℓ∞); 0: natural accuracy", ylabel="AA, all classes")
    drawing.percent(left)
    right.axhline(0, color="black", linewidth=0.9)
    right.axvline(settings["epsilon"], color="black", linewidth=0.9, linestyle=":")
    right.set(title="(b) Below no label noise", xlabel="ε (ℓ∞); dotted: the verdicts' radius", ylabel="fall of AA, pp")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _curves(found: Results, arm: str) -> np.ndarray:
    """AA in percentage points, (epsilon, split)."""
    curves: np.ndarray = 100 * np.array([f["result"][arm]["aa"] for f in found]).T
    return curves
