"""The training points closest to and farthest from the decision boundary, and label errors among them (§4.10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.stats import mannwhitneyu

from lnbench.protocol.recipe import Recipe
from lnbench.thesis import pictures
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import DISAGREES, UNDECIDED, Verdict, above, interval
from lnbench.victims import architecture, train

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST: the training points closest to and farthest from the decision boundary, per class"
THESIS = "§4.10, figure 13"
QUICK = {**pictures.SIZES, "train": 2000, "splits": 8, "shown": 5, "planted": 20, "folds": 5, "sure": 0.9, "most": 100}
FULL = {**QUICK, "train": 60000, "splits": 5, "planted": 600, "steps": 14000, "most": 1000}
CHOICES = (
    *pictures.CHOICES,
    "Distance: steps of .01 of the unbounded untargeted attack away from the label, at most {most}; {shown} points of "
    "each class at both ends, ties by index.",
    "Nobody has told us which labels of MNIST are wrong. So (1) {planted} random labels are made wrong before another "
    "network is trained, and are looked for; (2) of the closest points as they are, those are counted whose label is "
    "contradicted, with a probability of at least {sure}, by networks of {folds} folds that never saw them. That is an "
    "upper limit of the label errors among them, if a network knows better at all: “many” is one in five.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return pictures.cells(settings)


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Distances on the labels as they are and with planted errors, and what held-out networks say."""
    data, most = pictures.load(cell), cell["most"]
    n = len(data.labels)
    wrong = data.rng.choice(n, cell["planted"], replace=False)
    planted = data.flipped(wrong, (data.labels[wrong] + data.rng.integers(1, 10, len(wrong))) % 10)
    victims = pictures.trained(cell, data, data.labels, report)
    steps = pictures.lengths(victims, data.inputs, data.labels, targeted=False, most=most)
    found = pictures.lengths(pictures.trained(cell, data, planted), data.inputs, planted, targeted=False, most=most)
    contradicted = _contradicted(cell, data)
    order = [data.of(c)[np.argsort(steps[data.of(c)], kind="stable")] for c in range(10)]
    near, far = (np.concatenate([some[part] for some in order]) for part in _ends(cell["shown"]))
    is_wrong = np.isin(np.arange(n), wrong)
    sorted_planted = [np.flatnonzero(planted == c)[np.argsort(found[planted == c], kind="stable")] for c in range(10)]
    closest = np.concatenate([some[: cell["shown"]] for some in sorted_planted])
    result = {
        "near": contradicted[near].tolist(),
        "far": contradicted[far].tolist(),
        "all": float(contradicted.mean()),
        "auc": float(mannwhitneyu(found[~is_wrong], found[is_wrong]).statistic / (len(wrong) * (n - len(wrong)))),
        "among": float(is_wrong[closest].mean()),
        "found": float(is_wrong[closest].sum() / len(wrong)),
    }
    if cell["split"] == 0:
        shown = np.concatenate([np.stack([near, far], 1).reshape(10, -1, 2)[..., side] for side in (0, 1)], 1)
        result["pictures"] = [[_hex(data.inputs[i]) for i in row] for row in shown]
        result["steps"] = steps[shown].tolist()
    return result


def verdicts(settings: Settings, found: Results) -> list[Verdict]:
    """Planted errors among the closest, and how many of MNIST's own there can be."""
    results = [f["result"] for f in found]
    base = 100 * settings["planted"] / settings["train"]
    near, far = (interval([100 * np.mean(r[side]) for r in results]) for side in ("near", "far"))
    return [
        above(
            "Label errors are found among the points closest to the boundary.",
            f"planted errors among the closest, minus their share of the whole ({base:.1f} %)",
            [100 * r["among"] - base for r in results],
        ),
        above(
            "Not in the thesis: label errors are closer to the boundary than other points.",
            "probability that a planted error is closer than another point",
            [100 * r["auc"] for r in results],
            limit=50.0,
            unit="%",
        ),
        Verdict(
            "Many of MNIST's points closest to the boundary have a wrong label.",
            DISAGREES if near[2] < 20 else UNDECIDED,
            f"networks that never saw them contradict {near[0]:.1f} % [{near[1]:.1f}, {near[2]:.1f}] of the closest, "
            f"{far[0]:.1f} % of the farthest, {100 * np.mean([r['all'] for r in results]):.1f} % of all",
            *near,
            len(results),
        ),
    ]


def draw(settings: Settings, found: Results) -> Figure:
    """The first split's points, and both measures over the splits."""
    from matplotlib.patches import Rectangle

    from lnbench.thesis import drawing

    figure, ((near, far, right),) = drawing.panels(3, width=2.6, height=4.6, width_ratios=[1, 1, 0.9])
    first, shown = found[0]["result"], settings["shown"]
    for side, (axis, title) in enumerate(((near, "(a) closest"), (far, "(b) farthest"))):
        rows = [[_pixels(code) for code in row[side * shown : (side + 1) * shown]] for row in first["pictures"]]
        mosaic = np.concatenate([np.concatenate([np.pad(p, 1) for p in row], 1) for row in rows])
        axis.imshow(mosaic, cmap="gray_r", vmin=0, vmax=15, interpolation="nearest")
        axis.grid(False)
        axis.set(title=title, xticks=[], yticks=[15 + 30 * c for c in range(10)], yticklabels=range(10))
        marks = np.array(first[("near", "far")[side]]).reshape(10, shown)
        for (row, column), marked in np.ndenumerate(marks):
            steps = first["steps"][row][side * shown + column]
            axis.text(30 * column + 28, 30 * row + 28, steps, fontsize=5.5, ha="right", color=drawing.THIRD)
            if marked:
                axis.add_patch(Rectangle((30 * column, 30 * row), 29, 29, fill=False, color=drawing.POISONED))
    near.set_ylabel("label")
    near.set_xlabel("blue: steps of .01 to the boundary;\nred: held-out networks contradict", fontsize=7.5)
    results = [f["result"] for f in found]
    base = settings["planted"] / settings["train"]
    kinds = (
        ("planted errors\namong closest", [r["among"] for r in results], drawing.POISONED),
        ("contradicted,\nclosest", [float(np.mean(r["near"])) for r in results], drawing.RANDOM),
        ("contradicted,\nfarthest", [float(np.mean(r["far"])) for r in results], drawing.GREY),
    )
    for x, (name, values, colour) in enumerate(kinds):
        right.plot([x] * len(values), values, ".", color=colour, alpha=0.3)
        drawing.bars(right, [x], [values], colour, name)
    right.axhline(base, color="black", linestyle=":", linewidth=1)
    right.annotate("planted, of all", (2.4, base), ha="right", va="bottom", fontsize=7.5)
    right.set_xticks(range(3), [name for name, *_ in kinds], rotation=35, ha="right", fontsize=7.5)
    right.set(title=f"(c) {len(results)} splits", ylabel="share of the points", xlim=(-0.4, 2.5))
    drawing.percent(right, 0.0, max(0.5, *(max(values) for _, values, _ in kinds)))
    return figure


def _contradicted(cell: dict[str, Any], data: pictures.Pictures) -> np.ndarray:
    """Whether networks that did not see a point are sure of another class than its label, (n,) bool."""
    n, folds = len(data.labels), cell["folds"]
    fold = data.rng.permutation(n) % folds
    size = int((fold != 0).sum())  # the largest fold is 0: every network sees as many points as the one without it
    seen = np.stack([np.flatnonzero(fold != k)[:size] for k in range(folds)])
    networks = train(
        architecture("mlp", {"width": cell["width"], "depth": cell["depth"]}),
        Recipe(steps=cell["steps"], batch=cell["batch"], learning_rate=cell["rate"]),
        torch.from_numpy(data.inputs),
        torch.from_numpy(data.labels[seen]),
        init=[data.seed] * folds,
        order=[data.seed + 1] * folds,
        num_classes=10,
        subset=torch.from_numpy(seen),
    )
    with torch.no_grad():
        sure = networks(torch.from_numpy(data.inputs).unsqueeze(0)).softmax(-1).max(-1)
    share, predicted = (part.numpy()[fold, np.arange(n)] for part in (sure.values, sure.indices))
    contradicted: np.ndarray = (predicted != data.labels) & (share >= cell["sure"])
    return contradicted


def _ends(count: int) -> tuple[slice, slice]:
    return slice(None, count), slice(-count, None)


def _hex(image: np.ndarray) -> str:
    """One picture as 784 digits of 16 greys."""
    return "".join(f"{round(15 * float(value)):x}" for value in image.flat)


def _pixels(code: str) -> np.ndarray:
    return np.array([int(digit, 16) for digit in code]).reshape(28, 28)
