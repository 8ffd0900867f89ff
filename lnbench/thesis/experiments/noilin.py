"""Adversarial training under label noise: do random wrong labels help it (NoiLIn), and do crafted ones reverse that?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lnbench import graphs
from lnbench.thesis import drawing, images, networks
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.networks import Sample
from lnbench.thesis.plan import Plan
from lnbench.thesis.verdicts import Verdict, above

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST: adversarial training on labels of which a share η is wrong, at random or crafted"
THESIS = "§4.3, and beyond it NoiLIn (Zhang et al. 2022)"
QUICK = {
    **images.QUICK,
    "test": 60,
    "splits": 8,
    "rates": [0.0, 0.01, 0.05, 0.1],
    "steps": 500,
    "epsilon": 0.1,
    "pgd_steps": 20,
    "train_steps": 5,
}
FULL = {
    **QUICK,
    "train": 10000,
    "test": 1000,
    "splits": 20,
    "steps": 4000,
    "batch": 128,
    "rate": 0.006,
    "recipe": images.BF16,
}
PLAN = {"noise": Plan(1, 1.6, "noilin quick", tests=3)}
CHOICES = (
    *images.CHOICES,
    images.UNTARGETED,
    "ε is {epsilon}, in training and in the attack alike.",
    "Adversarial training is PGD's, {train_steps} steps at the radius of the attack, from a random start.",
    "Of every class η of the points become the next class: drawn at random, or those whose kernel mean is the class's "
    "less that of all others (`mean_matching` of lnbench). So both kinds of noise flip equally many points of a class.",
    "Whether adversarial training memorises the wrong labels is part of the question: nothing is void because it does "
    "not, and the evidence has the share memorised.",
    "NoiLIn draws its wrong labels anew in every epoch and adapts their number; here they are fixed.",
)
ARMS = ("random", "crafted")


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return images.cells(settings)


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Per training and kind of noise, one network a rate: adversarial and clean accuracy, and the share memorised."""
    sample = images.load_mnist(cell)
    sets = {arm: [_wrong(cell, sample, arm, rate) for rate in cell["rates"]] for arm in ARMS}
    flips = [index for arm in ARMS for index in sets[arm]]
    labels = np.stack([sample.flipped(index, (sample.labels[index] + 1) % 10) for index in flips])
    tests, answers = torch.from_numpy(sample.test_inputs), torch.from_numpy(sample.test_labels)
    found: dict[str, Any] = {}
    for at, training in enumerate(("standard", "adversarial")):
        against = {"epsilon": cell["epsilon"], "steps": cell["train_steps"]}
        own = {**cell, "recipe": {**cell.get("recipe", {}), **({"adversarial": against} if at else {})}}
        victims = networks.train(own, sample, labels, _half(report, at))
        adversarial = networks.adversarial_accuracy(cell, victims, tests, answers, targeted=False)
        clean = victims.predict(tests).eq(answers).float().mean(1).tolist()
        predicted = victims.predict(torch.from_numpy(sample.inputs)).numpy()
        memorised = [float((predicted[v, i] == labels[v, i]).mean()) if len(i) else 1.0 for v, i in enumerate(flips)]
        found[training] = {
            name: dict(zip(ARMS, np.array(values).reshape(len(ARMS), -1).tolist(), strict=True))
            for name, values in (("adversarial", adversarial), ("clean", clean), ("memorised", memorised))
        }
    return found


def _half(report: Callable[[float], None], at: int) -> Callable[[float], None]:
    """Reports of the first or the second of two trainings."""
    return lambda share: report((at + share) / 2)


def _wrong(cell: dict[str, Any], sample: Sample, arm: str, rate: float) -> np.ndarray:
    """Indices of the points whose labels are wrong, the same share of every class."""
    chosen = [np.zeros(0, np.int64)]
    for label in range(10):
        own = sample.of_class(label)
        size = round(rate * len(own))
        if arm == "random":
            chosen.append(sample.rng.choice(own, size, replace=False))
        elif size:
            rest = np.flatnonzero(sample.labels != label)
            some = np.sort(sample.rng.choice(rest, min(2000, len(rest)), replace=False))
            kernel, alien = graphs.contrast(sample.inputs[own], sample.inputs[some], 1.0)
            chosen.append(own[graphs.herd(kernel, size, kernel.mean(1) - alien)])
    return np.sort(np.concatenate(chosen))


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """Whether random noise raises the adversarial accuracy of adversarial training, and crafted noise lowers it."""
    random, crafted = (100 * collect(results, "adversarial", "adversarial", arm).T for arm in ARMS)
    shares = [100 * collect(results, "adversarial", "memorised", arm).mean(0) for arm in ARMS]
    rates = [f"{100 * rate:g} %" for rate in settings["rates"]]
    tests = len(rates) - 1
    made = []
    for i in range(1, len(rates)):
        verdict = above(
            f"Not in the thesis: random label noise of {rates[i]} raises the adversarial accuracy of adversarial "
            "training (NoiLIn).",
            "adversarial accuracy, random noise minus none",
            random[i] - random[0],
            tests=tests,
            plan=PLAN["noise"],
        )
        made.append(replace(verdict, evidence=f"{verdict.evidence}; {shares[0][i]:.0f} % of the noise memorised"))
    for i in range(1, len(rates)):
        verdict = above(
            f"Not in the thesis: crafted label noise of {rates[i]} leaves adversarial training with less than "
            "random noise does.",
            "adversarial accuracy, random minus crafted noise",
            random[i] - crafted[i],
            tests=tests,
            plan=PLAN["noise"],
        )
        both = f"{shares[0][i]:.0f} % and {shares[1][i]:.0f} % of the noise memorised"
        made.append(replace(verdict, evidence=f"{verdict.evidence}; {both}"))
    return made


def draw(settings: Settings, results: Results) -> Figure:
    """Adversarial accuracy over η, after standard and after adversarial training."""
    figure, (axes,) = drawing.panels(columns=2, width=3.6, height=3.1)
    places = range(len(settings["rates"]))
    for axis, training in zip(axes, ("standard", "adversarial"), strict=True):
        for arm, colour in zip(ARMS, (drawing.RANDOM, drawing.POISONED), strict=True):
            values = collect(results, training, "adversarial", arm).T.tolist()
            drawing.curve(axis, places, values, colour, f"{arm} wrong labels")
        axis.set_xticks(list(places), [f"{100 * rate:g} %" for rate in settings["rates"]])
        axis.set(title=f"{training} training", xlabel="share of wrong labels η", ylabel="adversarial accuracy")
        drawing.percent(axis)
        axis.legend()
    return figure
