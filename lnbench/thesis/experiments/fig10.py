"""Flips to an 11th class against flips to the next class and to any other, on all of MNIST (thesis §4.9.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lnbench.thesis import drawing, epsilon, images, networks
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.plan import Plan
from lnbench.thesis.verdicts import Verdict, above, memorised, resting, within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST: adversarial accuracy with random flips to an 11th class, to the next class and to a random other one"
THESIS = "§4.9.1, figure 10"
QUICK = {
    **images.QUICK,
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
FULL = {**QUICK, **images.FULL_CNN_MANY, "test": 200, "flips": 600}
FULL |= {"epsilon": epsilon.GRID, "epsilons": epsilon.GRID}
PLAN = {
    "much": Plan(4, 2.6, "fig10 quick"),
    "other": Plan(3, 2.2, "fig10 quick"),
    "clean": Plan(1, 2.8, "fig10 quick", "within"),
}
CHOICES = (
    *images.CHOICES,
    "{draws} random sets of {flips} flips a split, from all classes. The same points are flipped to the next class (9 "
    "→ 0), to a random other one of the ten, and to an 11th. All networks have eleven outputs, so that they start "
    "alike.",
    images.UNTARGETED,
    epsilon.RULE,
    "The figure shows ε of {epsilons}. The random flips of the rule are those to any other class.",
    "The 11th class is a misclassification, too. “Much higher” means by more than 5 pp, “almost as high” within "
    "{margin} pp. (The 5 pp were written after the level quick had been run; as “higher” the claim agreed there.)",
)
MUCH = 5.0
_ARMS = {"next": "to the next class", "other": "to a random other class", "new": "to an 11th class"}


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return images.cells(settings)


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """A clean network and one per kind and set of flips; adversarial accuracy at every radius."""
    sample = images.load_mnist(cell)
    labels, flips = [sample.labels], []
    for _ in range(cell["draws"]):
        index = sample.rng.choice(len(sample.labels), cell["flips"], replace=False)
        true = sample.labels[index]
        shift = sample.rng.integers(1, 10, len(index))
        labels += [sample.flipped(index, wrong) for wrong in ((true + 1) % 10, (true + shift) % 10, 10)]
        flips += [index] * len(_ARMS)
    rows = np.stack(labels)
    victims = networks.train(cell, sample, rows, report, num_classes=11)
    tests, answers = torch.from_numpy(sample.test_inputs), torch.from_numpy(sample.test_labels)
    radii = {**cell, "epsilon": cell["epsilons"]}
    aa = np.array(networks.adversarial_accuracy(radii, victims, tests, answers, targeted=False))  # (victim, epsilon)
    _, *shares = networks.memorised(cell, victims, sample.inputs, rows, [np.zeros(1, np.int64), *flips])
    accuracy = victims.predict(tests).eq(answers).double().mean(1).numpy()
    per = len(_ARMS)
    return {
        "clean": {"aa": aa[0].tolist(), "accuracy": float(accuracy[0])},
        **{
            arm: {"aa": aa[1 + i :: per].mean(0).tolist(), "accuracy": float(accuracy[1 + i :: per].mean())}
            for i, arm in enumerate(_ARMS)
        },
        "memorised": {arm: float(np.mean(shares[i::per])) for i, arm in enumerate(_ARMS)},
    }


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """Flips to the 11th class against both others, and against no noise."""
    at, free = _radius(settings, results), _free(settings)
    taken = epsilon.taken(settings, _curves(results, "clean")[free], _curves(results, "other")[free])
    clean, next_, other, new = (_curves(results, arm)[at] for arm in ("clean", *_ARMS))
    almost = within(
        "With flips to an 11th class the adversarial accuracy is almost as high as without label noise.",
        "AA, clean minus 11th class",
        clean - new,
        margin=settings["margin"],
        plan=PLAN["clean"],
    )
    effect = above(
        "Not in the thesis: flips to the next class lower the adversarial accuracy.",
        "AA, clean minus next class",
        clean - next_,
    )
    return [
        above(
            "With flips to an 11th class the adversarial accuracy is much higher than with flips to the next class.",
            f"{taken}: AA, 11th class minus next class",
            new - next_,
            limit=MUCH,
            plan=PLAN["much"],
        ),
        above(
            "With flips to an 11th class the adversarial accuracy is higher than with flips to a random other class.",
            "AA, 11th class minus a random other class",
            new - other,
            plan=PLAN["other"],
        ),
        *resting(effect, [almost], "flips to the next class do not measurably lower AA either"),
        memorised({name: 100 * collect(results, "memorised", arm) for arm, name in _ARMS.items()}),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Adversarial accuracy over the radius, and how far each kind of flip lowers it."""
    figure, ((left, right),) = drawing.panels(2, width=3.7, height=3.1)
    radii = settings["epsilons"]
    colours = dict(zip(_ARMS, (drawing.POISONED, drawing.RANDOM, drawing.THIRD), strict=True))
    clean = _curves(results, "clean")
    accuracy = [collect(results, "clean", "accuracy").tolist()]
    drawing.curve(left, [0, *radii], [*accuracy, *(clean / 100).tolist()], drawing.CLEAN, "no label noise")
    for arm, name in _ARMS.items():
        curve = _curves(results, arm)
        accuracy = [collect(results, arm, "accuracy").tolist()]
        drawing.curve(left, [0, *radii], [*accuracy, *(curve / 100).tolist()], colours[arm], name)
        drawing.curve(right, radii, (clean - curve).tolist(), colours[arm], name)
    left.set(title="(a) Adversarial accuracy", xlabel="ε (ℓ∞); 0: natural accuracy", ylabel="AA, all classes")
    drawing.percent(left)
    right.axhline(0, color="black", linewidth=0.9)
    for axis in (left, right):
        axis.axvline(radii[_radius(settings, results)], color="black", linewidth=0.9, linestyle=":")
    right.set(title="(b) Below no label noise", xlabel="ε (ℓ∞); dotted: that of the rule", ylabel="fall of AA, pp")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _free(settings: Settings) -> list[int]:
    """Indices of the radii that the rule may take."""
    return [settings["epsilons"].index(value) for value in epsilon.radii(settings["epsilon"])]


def _radius(settings: Settings, results: Results) -> int:
    """Index of the radius that the rule takes, of those that it may."""
    free = _free(settings)
    return free[epsilon.chosen(_curves(results, "clean")[free], _curves(results, "other")[free])]


def _curves(results: Results, arm: str) -> np.ndarray:
    """Adversarial accuracy in percent, (epsilon, split)."""
    curves: np.ndarray = 100 * collect(results, arm, "aa").T
    return curves
