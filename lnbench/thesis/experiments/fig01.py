"""A five that a network takes for a three, and how little it takes to break the network (thesis §2.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lnbench.adversary import PRESETS, pgd
from lnbench.protocol.recipe import Recipe
from lnbench.thesis import pictures
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import AGREES, DISAGREES, UNDECIDED, Verdict, clopper_pearson, interval
from lnbench.victims import architecture, train

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
FULL = {**QUICK, "train": 60000, "test": 892, "splits": 20, "attacked": 8000, "steps": 9000, "batch": 128}
CHOICES = (
    "{train} of MNIST's 60,000 training points a split, {splits} splits; up to {test} test points of every class, "
    "{attacked} of all of them for the untargeted attack. The interval is over splits.",
    "The network: two convolutions of {channels} channels, {kernel}×{kernel}, stride {stride}, {hidden} hidden units "
    "(the thesis does not give its own); Adam, one-cycle, {steps} steps of {batch}, peak rate {rate}. Clean labels.",
    "5 → 3: targeted PGD, ℓ∞, ε = {radius}, {pgd_steps} sign steps of 2.5·ε/m in the pixels' box, the last iterate. "
    "Fives given with a probability of at least 99.5 % count, and must end as threes of at least {confidence}.",
    "Untargeted: as many steps; broken if any iterate is misclassified. “0 %” is below 1 %.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return pictures.cells(settings)


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """One clean network: its accuracy, its fives as threes, its AA over the radius."""
    data = pictures.load(cell)
    network = train(
        architecture("cnn", {name: cell[name] for name in ("channels", "kernel", "stride", "hidden")}),
        Recipe(steps=cell["steps"], batch=cell["batch"], learning_rate=cell["rate"]),
        torch.from_numpy(data.inputs),
        torch.from_numpy(data.labels).unsqueeze(0),
        init=[data.seed],
        order=[data.seed + 1],
        num_classes=10,
        on_step=lambda step: report(0.6 * step / cell["steps"]) if step % 100 == 0 else None,
    )
    tests, answers = torch.from_numpy(data.tests), torch.from_numpy(data.answers)
    fives = data.test_of(5)
    towards = pgd(
        network,
        fives,
        torch.full((len(fives),), 3),
        targeted=True,
        epsilons=[cell["radius"]],
        steps=cell["pgd_steps"],
        keep_points=True,
        **PRESETS["thesis"],
    )
    if towards.points is None:
        raise RuntimeError("the attack was asked for its points")
    moved = towards.points[0, 0]
    with torch.no_grad():
        before, after = (network(x.unsqueeze(0))[0].softmax(-1) for x in (fives, moved))
    good = (before[:, 5] >= 0.995) & (after[:, 3] >= cell["confidence"])
    some = torch.from_numpy(data.rng.choice(len(tests), min(cell["attacked"], len(tests)), replace=False))
    report(0.8)
    radii, steps = cell["epsilons"], cell["pgd_steps"]
    away = pgd(network, tests[some], answers[some], targeted=False, epsilons=radii, steps=steps)
    result: dict[str, Any] = {
        "accuracy": float(network.predict(tests).eq(answers).double().mean()),
        "sure": int((before[:, 5] >= 0.995).sum()),
        "turned": int(good.sum()),
        "aa": (1 - away.broken[0].double().mean(1)).tolist(),
        "zero_gradient": float(away.zero_gradient.double().mean()),
    }
    if good.any():
        best = int(torch.where(good, after[:, 3], -1.0).argmax())
        result["example"] = {
            "pictures": [_hex(x[best]) for x in (fives, moved)],
            "before": before[best].tolist(),
            "after": after[best].tolist(),
            "apart": float((moved[best] - fives[best]).abs().max()),
        }
    return result


def verdicts(settings: Settings, found: Results) -> list[Verdict]:
    """The caption's three numbers."""
    results = [f["result"] for f in found]
    turned = sum(r["turned"] > 0 for r in results)
    low, high = clopper_pearson(turned, len(results))
    turned_share = [100 * r["turned"] / r["sure"] for r in results if r["sure"]]
    share = "none is classified so surely"
    if turned_share:
        share = "{:.1f} % [{:.1f}, {:.1f}] of the surely classified fives".format(*interval(turned_share)).replace(
            "-", "−"
        )
    accuracy = interval([100 * r["accuracy"] for r in results])
    reached = AGREES if accuracy[1] > 99 else DISAGREES if accuracy[2] < 99 else UNDECIDED
    fewer = reached == DISAGREES and settings["train"] < 60000
    at = settings["epsilons"].index(0.3)
    broken = interval([100 * r["aa"][at] for r in results])
    masked = 100 * np.mean([r["zero_gradient"] for r in results])
    return [
        Verdict(
            "A five given with 100 % confidence becomes a three of more than 60 % within ℓ∞ .04.",
            AGREES if low > 0.5 else DISAGREES if high < 0.5 else UNDECIDED,
            f"such a five is found on {turned} of {len(results)} networks [{100 * low:.0f} %, {100 * high:.0f} %]; "
            + share,
            turned / len(results),
            low,
            high,
            len(results),
        ),
        Verdict(
            "The network attains 99.19 % test accuracy: at least 99 %.",
            UNDECIDED if fewer else reached,
            f"{accuracy[0]:.2f} % [{accuracy[1]:.2f}, {accuracy[2]:.2f}]"
            + (f"; {settings['train']} training points cannot speak for 60,000" if fewer else ""),
            *accuracy,
            len(results),
        ),
        Verdict(
            "Its untargeted adversarial accuracy at ε = .3 is 0 %.",
            AGREES if broken[2] < 1 else DISAGREES if broken[1] > 1 else UNDECIDED,
            f"{broken[0]:.2f} % [{broken[1]:.2f}, {broken[2]:.2f}]; no gradient at {masked:.1f} % of the points",
            *broken,
            len(results),
        ),
    ]


def draw(settings: Settings, found: Results) -> Figure:
    """Both pictures and their difference, and AA over the radius."""
    from lnbench.thesis import drawing

    figure, ((first, second, third, right),) = drawing.panels(4, width=2.1, height=2.7, width_ratios=[1, 1, 1, 1.6])
    example = next((f["result"]["example"] for f in found if "example" in f["result"]), None)
    if example is not None:
        before, after = (_pixels(code) for code in example["pictures"])
        for axis, picture, shares, letter in ((first, before, "before", "a"), (second, after, "after", "b")):
            axis.imshow(picture, cmap="gray_r", vmin=0, vmax=1)
            top = int(np.argmax(example[shares]))
            axis.set_title(f"({letter}) a {top}, {100 * example[shares][top]:.1f} %")
        image = third.imshow(after - before, cmap="RdBu_r", vmin=-settings["radius"], vmax=settings["radius"])
        third.set_title(f"(c) difference, ≤ {example['apart']:.3f}")
        figure.colorbar(
            image, ax=third, location="bottom", shrink=0.85, ticks=[-settings["radius"], 0, settings["radius"]]
        )
    for axis in (first, second, third):
        axis.set(xticks=[], yticks=[])
        axis.grid(False)
    accuracy = [f["result"]["accuracy"] for f in found]
    curves = np.array([f["result"]["aa"] for f in found]).T
    radii = [0, *settings["epsilons"]]
    drawing.curve(right, radii, [accuracy, *curves.tolist()], drawing.CLEAN, "clean networks")
    right.set(title="(d) Untargeted attack", xlabel="ε (ℓ∞); 0: natural accuracy", ylabel="AA, all classes")
    drawing.percent(right)
    return figure


def _hex(image: torch.Tensor) -> str:
    """One picture in [0, 1] as 784 numbers of four digits: steps of 1/65535."""
    return "".join(f"{round(65535 * value):04x}" for value in image.flatten().tolist())


def _pixels(code: str) -> np.ndarray:
    values = [int(code[i : i + 4], 16) / 65535 for i in range(0, len(code), 4)]
    return np.array(values).reshape(28, 28)
