"""Adversarial and clean accuracy against the rate of random label noise: benign accuracy, malign robustness (§1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lnbench.thesis import pictures
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import Verdict, above, within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST: clean and adversarial accuracy against the rate η of random label noise"
THESIS = "§1, §2.6"
QUICK = {
    **pictures.SIZES,
    "test": 60,
    "rates": [0.0, 0.005, 0.01, 0.02, 0.05, 0.1],
    "steps": 700,
    "epsilon": 0.05,
    "pgd_steps": 20,
}
FULL = {**QUICK, "train": 60000, "test": 1000, "splits": 8, "steps": 20000}
CHOICES = (
    *pictures.CHOICES,
    "η·n uniformly drawn labels, of all classes, become a uniformly drawn other class.",
    "Untargeted PGD on test points of all classes, ℓ∞, ε = {epsilon}, {pgd_steps} sign steps of 2.5·ε/m in the "
    "pixels' box.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return pictures.cells(settings)


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """One network per rate."""
    data = pictures.load(cell)
    order, shift = data.rng.permutation(len(data.labels)), data.rng.integers(1, 10, len(data.labels))
    sets = [order[: round(rate * len(order))] for rate in cell["rates"]]
    labels = np.stack([data.flipped(index, (data.labels[index] + shift[index]) % 10) for index in sets])
    victims = pictures.trained(cell, data, labels, report)
    tests, answers = torch.from_numpy(data.tests), torch.from_numpy(data.answers)
    fitted = victims.predict(torch.from_numpy(data.inputs)).numpy() == labels
    return {
        "clean": victims.predict(tests).eq(answers).float().mean(1).tolist(),
        "adversarial": pictures.adversarial_accuracy(cell, victims, tests, answers, targeted=False),
        "training": fitted.mean(1).tolist(),
    }


def verdicts(settings: Settings, found: Results) -> list[Verdict]:
    """Benign for accuracy, malign for robustness, and by how much more."""
    clean, adversarial = (100 * np.array([f["result"][k] for f in found]).T for k in ("clean", "adversarial"))
    small = settings["rates"].index(0.01)
    return [
        within(
            "Memorising label noise does not noticeably lower test accuracy.",
            "clean accuracy, no noise minus η = 1 %",
            clean[0] - clean[small],
            margin=1.0,
        ),
        above(
            "It lowers adversarial accuracy.",
            "adversarial accuracy, no noise minus η = 1 %",
            adversarial[0] - adversarial[small],
        ),
        above(
            "It lowers adversarial accuracy by more than test accuracy.",
            "difference of the two falls, mean over rates above 0",
            ((adversarial[0] - adversarial) - (clean[0] - clean))[1:].mean(0),
        ),
    ]


def draw(settings: Settings, found: Results) -> Figure:
    """Both accuracies against η."""
    from lnbench.thesis import drawing

    figure, ((axis,),) = drawing.panels(width=4.6, height=3.1)
    places = range(len(settings["rates"]))
    for key, colour, label in (
        ("clean", drawing.CLEAN, "clean accuracy"),
        ("adversarial", drawing.POISONED, f"untargeted adversarial accuracy, ε = {settings['epsilon']:g}"),
        ("training", drawing.GREY, "training accuracy on the noisy labels"),
    ):
        drawing.curve(axis, places, np.array([f["result"][key] for f in found]).T.tolist(), colour, label)
    axis.set_xticks(list(places), [f"{100 * rate:g} %" for rate in settings["rates"]])
    axis.set(xlabel="rate of random label noise η", ylabel="accuracy")
    drawing.percent(axis)
    axis.legend(loc="center left", bbox_to_anchor=(0.0, 0.57))
    return figure
