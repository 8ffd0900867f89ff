"""Clean and adversarial accuracy over the rate of random label noise (thesis §1, §2.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lnbench.thesis import drawing, images, networks
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.verdicts import Verdict, above, memorised, within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST: clean and adversarial accuracy over the rate η of random label noise"
THESIS = "§1, §2.6"
QUICK = {
    **images.QUICK,
    "test": 60,
    "rates": [0.0, 0.005, 0.01, 0.02, 0.05, 0.1],
    "steps": 700,
    "epsilon": 0.05,
    "pgd_steps": 20,
}
FULL = {**QUICK, **images.FULL, "test": 1000, "steps": 20000}
CHOICES = (
    *images.CHOICES,
    images.UNTARGETED,
    "η·n labels, drawn at random from all classes, become a random other class.",
    "The training accuracy gives a lower limit of the flips memorised: all points that are not fitted may be flips.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return images.cells(settings)


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """One network per rate: its clean, adversarial and training accuracy."""
    sample = images.load_mnist(cell)
    order, shift = sample.rng.permutation(len(sample.labels)), sample.rng.integers(1, 10, len(sample.labels))
    sets = [order[: round(rate * len(order))] for rate in cell["rates"]]
    labels = np.stack([sample.flipped(index, (sample.labels[index] + shift[index]) % 10) for index in sets])
    victims = networks.train(cell, sample, labels, report)
    tests, answers = torch.from_numpy(sample.test_inputs), torch.from_numpy(sample.test_labels)
    training = victims.predict(torch.from_numpy(sample.inputs)).numpy() == labels
    return {
        "clean": victims.predict(tests).eq(answers).float().mean(1).tolist(),
        "adversarial": networks.adversarial_accuracy(cell, victims, tests, answers, targeted=False),
        "training": training.mean(1).tolist(),
    }


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """What noise does to clean accuracy and to adversarial accuracy, and whether it is memorised."""
    clean, adversarial, training = (100 * collect(results, k).T for k in ("clean", "adversarial", "training"))
    small, n = settings["rates"].index(0.01), settings["train"]
    at_least = {
        f"η = {100 * rate:g} %": (100 - (100 - accuracy) * n / round(rate * n)).clip(0)
        for rate, accuracy in zip(settings["rates"], training, strict=True)
        if round(rate * n)
    }
    return [
        within(
            "Memorising label noise does not noticeably lower test accuracy.",
            "clean accuracy, no noise minus η = 1 %",
            clean[0] - clean[small],
            margin=1.0,
        ),
        above(
            "Memorising label noise lowers adversarial accuracy.",
            "adversarial accuracy, no noise minus η = 1 %",
            adversarial[0] - adversarial[small],
        ),
        above(
            "Memorising label noise lowers adversarial accuracy by more than test accuracy.",
            "difference of the two falls, mean over rates above 0",
            ((adversarial[0] - adversarial) - (clean[0] - clean))[1:].mean(0),
        ),
        memorised(at_least, lower_limits=True),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Clean, adversarial and training accuracy over η."""
    figure, ((axis,),) = drawing.panels(width=4.6, height=3.1)
    places = range(len(settings["rates"]))
    for key, colour, label in (
        ("clean", drawing.CLEAN, "clean accuracy"),
        ("adversarial", drawing.POISONED, f"untargeted adversarial accuracy, ε = {settings['epsilon']:g}"),
        ("training", drawing.GREY, "training accuracy on the noisy labels"),
    ):
        drawing.curve(axis, places, collect(results, key).T.tolist(), colour, label)
    axis.set_xticks(list(places), [f"{100 * rate:g} %" for rate in settings["rates"]])
    axis.set(xlabel="rate of random label noise η", ylabel="accuracy")
    drawing.percent(axis)
    axis.legend(loc="center left", bbox_to_anchor=(0.0, 0.57))
    return figure
