"""A five that a network takes for a three, and how little it takes to break the network (thesis §2.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lnbench.adversary import PRESETS, pgd
from lnbench.thesis import drawing, images, shared_networks
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.verdicts import UNDECIDED, Verdict, clopper_pearson, exceeds, interval, stays_below

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST: a five taken for a three within ℓ∞ .04, and untargeted adversarial accuracy of clean networks"
THESIS = "§2.3, figure 1"
QUICK = {
    "train": 2000,
    "test": 200,
    "splits": 6,
    "attacked": 300,
    "channels": [16, 32],
    "kernel": 5,
    "stride": 2,
    "hidden": 128,
    "steps": 500,
    "batch": 64,
    "rate": 0.005,
    "radius": 0.04,
    "confidence": 0.6,
    "epsilons": [0.02, 0.04, 0.08, 0.15, 0.3],
    "pgd_steps": 40,
}
FULL = {
    **QUICK,
    "train": 60000,
    "test": 1135,
    "splits": 20,
    "attacked": 10000,
    **{name: images.FULL_CNN[name] for name in ("steps", "batch", "rate", "recipe")},
}
CHOICES = (
    "{sampling} The untargeted attack gets {attacked} of the test points.",
    "The network has two convolutions of {channels} channels, {kernel}×{kernel}, stride {stride}, and {hidden} hidden "
    "units (the thesis does not describe its own); Adam, one-cycle, {steps} steps of {batch}, peak rate "
    "{rate}{arithmetic}. Labels are clean.",
    "5 → 3: targeted PGD, ℓ∞, ε = {radius}, {pgd_steps} sign steps of 2.5·ε/m in the box of the pixels; the last "
    "iterate counts. Only fives classified with a probability of at least 99.5 % are attacked, and each has to become "
    "a three with a probability of at least {confidence}. “A five becomes a three” means: one does in more than half "
    "of all networks.",
    "Untargeted: PGD with as many steps. A point is broken if any iterate is misclassified. “0 %” means below 1 %.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return images.cells(settings)


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """One clean network: its accuracy, its fives as threes, its adversarial accuracy over the radius."""
    sample = images.load_mnist(cell)
    options = {name: cell[name] for name in ("channels", "kernel", "stride", "hidden")}
    network = shared_networks.clean({**cell, "network": ["cnn", options]}, sample, report)
    tests, answers = torch.from_numpy(sample.test_inputs), torch.from_numpy(sample.test_labels)
    fives = sample.tests_of_class(5)
    to_three = pgd(
        network,
        fives,
        torch.full((len(fives),), 3),
        targeted=True,
        epsilons=[cell["radius"]],
        steps=cell["pgd_steps"],
        keep_points=True,
        **PRESETS["thesis"],
    )
    if to_three.points is None:
        raise RuntimeError("the attack was asked for its points")
    moved = to_three.points[0, 0]
    with torch.no_grad():
        before, after = (network(x.unsqueeze(0))[0].softmax(-1) for x in (fives, moved))
    sure = before[:, 5] >= 0.995
    turned = sure & (after[:, 3] >= cell["confidence"])
    some = torch.from_numpy(sample.rng.choice(len(tests), min(cell["attacked"], len(tests)), replace=False))
    untargeted = pgd(
        network, tests[some], answers[some], targeted=False, epsilons=cell["epsilons"], steps=cell["pgd_steps"]
    )
    result: dict[str, Any] = {
        "accuracy": float(network.predict(tests).eq(answers).double().mean()),
        "sure": int(sure.sum()),
        "turned": int(turned.sum()),
        "aa": (1 - untargeted.broken[0].double().mean(1)).tolist(),
        "zero_gradient": float(untargeted.zero_gradient.double().mean()),
    }
    if turned.any():
        best = int(torch.where(turned, after[:, 3], -1.0).argmax())
        result["example"] = {
            "pictures": [images.to_hex(x[best].numpy(), 4) for x in (fives, moved)],
            "before": before[best].tolist(),
            "after": after[best].tolist(),
            "apart": float((moved[best] - fives[best]).abs().max()),
        }
    return result


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """The three numbers of the caption."""
    n = len(results)
    sure, turned = collect(results, "sure"), collect(results, "turned")
    successes = int((turned > 0).sum())
    low, high = clopper_pearson(successes, n)
    share = "no five is classified so surely"
    if sure.any():
        share = "{:.1f} % [{:.1f}, {:.1f}] of the surely classified fives".format(
            *interval([100 * t / s for t, s in zip(turned, sure, strict=True) if s])
        ).replace("-", "−")
    accuracy = interval(100 * collect(results, "accuracy"))
    reached = exceeds(*accuracy[1:], 99)
    too_few = accuracy[2] < 99 and settings["train"] < 60000
    broken = interval(100 * collect(results, "aa")[:, settings["epsilons"].index(0.3)])
    masked = 100 * collect(results, "zero_gradient").mean()
    return [
        Verdict(
            "A five classified with 100 % confidence becomes a three of more than 60 % within ℓ∞ .04.",
            exceeds(low, high, 0.5),
            f"{successes} of {n} networks have such a five [{100 * low:.0f} %, {100 * high:.0f} %]; {share}",
            successes / n,
            low,
            high,
            n,
        ),
        Verdict(
            "The network attains 99.19 % test accuracy: at least 99 %.",
            UNDECIDED if too_few else reached,
            f"{accuracy[0]:.2f} % [{accuracy[1]:.2f}, {accuracy[2]:.2f}]"
            + (f"; {settings['train']} training points say nothing about 60,000" if too_few else ""),
            *accuracy,
            n,
        ),
        Verdict(
            "The untargeted adversarial accuracy of the network at ε = .3 is 0 %.",
            stays_below(*broken[1:], 1),
            f"{broken[0]:.2f} % [{broken[1]:.2f}, {broken[2]:.2f}]; no gradient at {masked:.1f} % of the points",
            *broken,
            n,
        ),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """One five before and after the attack, their difference, and adversarial accuracy over the radius."""
    figure, ((first, second, third, right),) = drawing.panels(4, width=2.1, height=2.7, width_ratios=[1, 1, 1, 1.6])
    example = next((entry["result"]["example"] for entry in results if "example" in entry["result"]), None)
    radius = settings["radius"]
    if example is not None:
        before, after = (images.from_hex(code, 4) for code in example["pictures"])
        for axis, image, shares, letter in ((first, before, "before", "a"), (second, after, "after", "b")):
            axis.imshow(image, cmap="gray_r", vmin=0, vmax=1)
            top = int(np.argmax(example[shares]))
            axis.set_title(f"({letter}) a {top}, {100 * example[shares][top]:.1f} %")
        colours = third.imshow(after - before, cmap="RdBu_r", vmin=-radius, vmax=radius)
        third.set_title(f"(c) difference, ≤ {example['apart']:.3f}")
        figure.colorbar(colours, ax=third, location="bottom", shrink=0.85, ticks=[-radius, 0, radius])
    for axis in (first, second, third):
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
    curves = [collect(results, "accuracy").tolist(), *collect(results, "aa").T.tolist()]
    drawing.curve(right, [0, *settings["epsilons"]], curves, drawing.CLEAN, "clean networks")
    right.set(title="(d) Untargeted attack", xlabel="ε (ℓ∞); 0: natural accuracy", ylabel="AA, all classes")
    drawing.percent(right)
    return figure
