"""Clean and adversarial accuracy over the rate of random label noise: what the thesis starts from, by others (§1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lnbench.thesis import drawing, epsilon, images, networks, shared_networks
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.plan import Plan
from lnbench.thesis.verdicts import MEMORISED, Verdict, above, memorised, within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST: clean and adversarial accuracy over the rate η of random label noise"
THESIS = "§1"
QUICK = {
    **images.QUICK,
    "test": 60,
    "rates": [0.0, 0.005, 0.01, 0.02, 0.05, 0.1],
    "steps": 700,
    "epsilon": epsilon.GRID,
    "pgd_steps": 20,
}
FULL = {**QUICK, **images.FULL_CNN_MANY, "test": 1000}
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
    "flips of the rule are those at η = 1 %, and memorisation is checked on them. Rates at which fewer "
    "than 95 % of the flips are memorised do not count for the last claim.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return images.cells(settings)


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """One network per rate: its clean, adversarial and training accuracy, and the share of its flips memorised."""
    sample = images.load_mnist(cell)
    order, shift = sample.rng.permutation(len(sample.labels)), sample.rng.integers(1, 10, len(sample.labels))
    sets = [order[: round(rate * len(order))] for rate in cell["rates"] if rate]
    labels = np.stack([sample.flipped(index, (sample.labels[index] + shift[index]) % 10) for index in sets])
    tests, answers = torch.from_numpy(sample.test_inputs), torch.from_numpy(sample.test_labels)
    result: dict[str, Any] = {"clean": [], "adversarial": [], "training": []}
    for victims, rows in (
        (shared_networks.clean(cell, sample), sample.labels[None]),
        (networks.train(cell, sample, labels, report), labels),
    ):
        right = networks.predicted(cell, victims, sample.inputs) == rows
        result["clean"] += victims.predict(tests).eq(answers).float().mean(1).tolist()
        result["adversarial"] += networks.adversarial_accuracy(cell, victims, tests, answers, targeted=False)
        result["training"] += right.mean(1).tolist()
    shares = [float(row[index].mean()) for row, index in zip(right, sets, strict=True)]
    return {**result, "memorised": shares}


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """What noise does to clean accuracy and to adversarial accuracy, and whether it is memorised."""
    clean, shares = (100 * collect(results, name).T for name in ("clean", "memorised"))
    rates = settings["rates"]
    small = rates.index(0.01)
    curves, (_, adversarial) = _curves(results), _adversarial(settings, results)
    taken = epsilon.taken(settings, curves[:, 0], curves[:, small])
    kept = [1 + i for i, share in enumerate(shares.mean(1)) if share >= MEMORISED] or [small]
    enough = memorised({"η = 1 %": shares[small - 1]})
    each = zip(rates[1:], shares.mean(1), strict=True)
    more = [(rates[i], (clean[0] - clean[i]).mean()) for i in range(small + 1, len(rates))]
    falls = ", ".join(f"{fall:+.1f} at {100 * rate:g} %" for rate, fall in more)
    evidence = ", ".join(f"{share:.1f} % at η = {100 * rate:g} %" for rate, share in each)
    return [
        within(
            "Memorising label noise of 1 % does not noticeably lower test accuracy.",
            f"clean accuracy, no noise minus η = 1 % ({falls})",
            clean[0] - clean[small],
            margin=1.0,
            plan=PLAN["clean"],
        ),
        above(
            "Memorising label noise lowers adversarial accuracy.",
            f"{taken}: adversarial accuracy, no noise minus η = 1 %",
            adversarial[0] - adversarial[small],
            plan=PLAN["adversarial"],
        ),
        above(
            "Memorising label noise lowers adversarial accuracy by more than test accuracy.",
            f"difference of the two falls, mean over η of {', '.join(f'{100 * rates[i]:g}' for i in kept)} %",
            ((adversarial[0] - adversarial) - (clean[0] - clean))[kept].mean(0),
            plan=PLAN["more"],
        ),
        replace(enough, evidence=evidence),
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
