"""Clean and adversarial accuracy over the rate of random label noise (thesis §1, §2.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lnbench.thesis import drawing, epsilon, images, networks
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.plan import Plan
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
    "epsilon": epsilon.GRID,
    "pgd_steps": 20,
}
FULL = {**QUICK, **images.FULL_CNN, "test": 1000}
PLAN = {
    "clean": Plan(1, 0.72, "noise-rate quick", "within"),
    "adversarial": Plan(5, 0.9, "noise-rate quick"),
    "more": Plan(5, 0.7, "noise-rate quick"),
}
CHOICES = (
    *images.CHOICES,
    images.UNTARGETED,
    epsilon.RULE,
    "η·n labels, drawn at random from all classes, become a random other class. “Noticeably” means by 1 pp. The random "
    "flips of the rule are those at η = 1 %.",
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
    clean, training = (100 * collect(results, k).T for k in ("clean", "training"))
    small, n = settings["rates"].index(0.01), settings["train"]
    at, adversarial = _adversarial(settings, results)
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
            plan=PLAN["clean"],
        ),
        above(
            "Memorising label noise lowers adversarial accuracy.",
            f"ε = {at:g}: adversarial accuracy, no noise minus η = 1 %",
            adversarial[0] - adversarial[small],
            plan=PLAN["adversarial"],
        ),
        above(
            "Memorising label noise lowers adversarial accuracy by more than test accuracy.",
            "difference of the two falls, mean over rates above 0",
            ((adversarial[0] - adversarial) - (clean[0] - clean))[1:].mean(0),
            plan=PLAN["more"],
        ),
        memorised(at_least, lower_limits=True),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Clean, adversarial and training accuracy over η, and adversarial accuracy over the radius."""
    radii = epsilon.radii(settings["epsilon"])
    figure, ((left, *rest),) = drawing.panels(1 + (len(radii) > 1), width=4.6, height=3.1)
    places = range(len(settings["rates"]))
    names = [f"{100 * rate:g} %" for rate in settings["rates"]]
    at, adversarial = _adversarial(settings, results)
    for values, colour, label in (
        (collect(results, "clean").T, drawing.CLEAN, "clean accuracy"),
        (adversarial / 100, drawing.POISONED, f"untargeted adversarial accuracy, ε = {at:g}"),
        (collect(results, "training").T, drawing.GREY, "training accuracy on the noisy labels"),
    ):
        drawing.curve(left, places, values.tolist(), colour, label)
    left.set_xticks(list(places), names)
    left.set(xlabel="rate of random label noise η", ylabel="accuracy")
    drawing.percent(left)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=1 + (len(radii) > 1) * 2)
    for right in rest:
        curves, small = _curves(results) / 100, settings["rates"].index(0.01)
        for rate, colour in ((0, drawing.CLEAN), (small, drawing.RANDOM), (len(names) - 1, drawing.POISONED)):
            drawing.curve(right, radii, curves[:, rate].tolist(), colour, f"η = {names[rate]}")
        right.axvline(at, color="black", linewidth=0.9, linestyle=":")
        right.axhline(epsilon.AIM / 100, color=drawing.GREY, linewidth=0.7)
        right.set(xlabel="ε (ℓ∞); dotted: that of the rule", title="The choice of ε")
        right.legend(loc="upper right")
        drawing.percent(right)
    return figure


def _curves(results: Results) -> np.ndarray:
    """Adversarial accuracy in percent, (epsilon, rate, split)."""
    values = 100 * collect(results, "adversarial")
    curves: np.ndarray = (values if values.ndim == 3 else values[..., None]).T
    return curves


def _adversarial(settings: Settings, results: Results) -> tuple[float, np.ndarray]:
    """The radius of the rule, and adversarial accuracy there, in percent, (rate, split)."""
    curves = _curves(results)
    at = epsilon.chosen(curves[:, 0], curves[:, settings["rates"].index(0.01)])
    return epsilon.at(settings, at), curves[at]
