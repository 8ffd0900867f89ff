"""Training points closest to and farthest from the decision boundary, and label errors among them (thesis §4.10)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.stats import mannwhitneyu

from lnbench.thesis import drawing, images, networks, shared_networks
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.plan import Plan
from lnbench.thesis.verdicts import DISAGREES, UNDECIDED, Verdict, above, interval, memorised, spread_of, with_plan
from lnbench.victims import Victims, train

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST: the training points closest to and farthest from the decision boundary, per class"
THESIS = "§4.10, figure 13"
QUICK = {
    **images.QUICK,
    "train": 2000,
    "steps": 1000,
    "splits": 8,
    "shown": 5,
    "planted": 20,
    "folds": 5,
    "sure": 0.9,
    "most": 100,
    "fine": 4,
    "listed": 20,
}
FULL = {**QUICK, **images.FULL_CNN_MANY, "splits": 14, "planted": 600, "most": 1000}
PLAN = {
    "closest": Plan(10, 4.7, "fig13 quick"),
    "nearer": Plan(10, 2.6, "fig13 quick"),
    "many": Plan(5, 7.7, "fig13 quick", refutes=True),
}
CHOICES = (
    *images.CHOICES_UNTESTED,
    "The distance of a point is the length of its path under the unbounded untargeted attack away from its label, in "
    "ℓ∞ and steps of .01, at most {most} of them; of points within {fine} such steps, and of the {shown} closest of "
    "each class, in steps of .001. The figure shows {shown} points of each class at both ends; ties are broken by "
    "index.",
    "Which labels of MNIST are wrong is not known. So (1) another network is trained after {planted} random labels "
    "have been made wrong, and those that it memorises are sought (one that it does not is misclassified from the "
    "start, and would lie closest for that reason alone); and (2) of the closest points with the original labels those "
    "are taken of which a network that never saw them is sure, with a probability of at least {sure} (one network for "
    "each of {folds} folds). The share whose label it contradicts is an upper limit of the label errors among them, if "
    "a network that is sure knows a wrong label when it sees one, as it does of planted errors: it can refute the "
    "claim, and not confirm it. “Many” means one in five; a limit above that leaves the claim undecided. (At level "
    "quick the share was of all the closest points at first.)",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return images.cells(settings)


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Distances with the labels as they are and with planted errors, and which labels held-out networks contradict."""
    sample, shown = images.load_mnist(cell), cell["shown"]
    n = len(sample.labels)
    wrong = sample.rng.choice(n, cell["planted"], replace=False)
    planted = sample.flipped(wrong, (sample.labels[wrong] + sample.rng.integers(1, 10, len(wrong))) % 10)
    steps = _distances(cell, sample, sample.labels, shared_networks.clean(cell, sample))
    victims = networks.train(cell, sample, planted, report)
    planted_steps = _distances(cell, sample, planted, victims)
    kept = networks.predicted(cell, victims, sample.inputs)[0, wrong] == planted[wrong]
    predicted, own, sure = _held_out(cell, sample)
    contradicted = (predicted != sample.labels) & (sure >= cell["sure"])
    known = (predicted != planted)[wrong] & (sure >= cell["sure"])[wrong]
    order, planted_order = _by_distance(steps, sample.labels), _by_distance(planted_steps, planted)
    near, far = (np.stack([some[part] for some in order]) for part in (slice(None, shown), slice(-shown, None)))
    closest = np.concatenate([some[:shown] for some in planted_order])
    listed = np.stack([some[: cell["listed"]] for some in order])
    is_wrong, is_right = np.isin(np.arange(n), wrong[kept]), ~np.isin(np.arange(n), wrong)
    closer = mannwhitneyu(planted_steps[is_right], planted_steps[is_wrong]).statistic if kept.any() else 0.0
    result = {
        "near": contradicted[near].flatten().tolist(),
        "far": contradicted[far].flatten().tolist(),
        "all": float(contradicted.mean()),
        "known": float(known.mean()),
        "listed": {"predicted": predicted[listed].tolist(), "own": own[listed].tolist(), "sure": sure[listed].tolist()},
        "auc": float(closer / max(kept.sum() * is_right.sum(), 1)),
        "among": float(is_wrong[closest].mean()),
        "found": float(is_wrong[closest].sum() / len(wrong)),
        "memorised": float(kept.mean()),
    }
    if cell["split"] == 0:
        both = np.concatenate([near, far], 1)
        result["pictures"] = [[images.to_hex(sample.inputs[i], 1) for i in row] for row in both]
        result["steps"] = steps[both].tolist()
    return result


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """Planted errors among the closest points, and how many errors of MNIST's own there can be."""
    memorised_share = 100 * collect(results, "memorised")
    planted = settings["planted"] / settings["train"] * memorised_share
    sure = collect(results, "listed", "sure")[..., : settings["shown"]] >= settings["sure"]  # (split, class, shown)
    of_sure = sure.sum((1, 2))
    limits = (100 * collect(results, "near").sum(1) / of_sure.clip(1))[of_sure > 0]
    many = Verdict(
        "Many of MNIST's points closest to the boundary have a wrong label.",
        UNDECIDED,
        f"networks that never saw them are sure of {100 * sure.mean():.0f} % of the closest",
        n=len(limits),
    )
    if len(limits) > 1:
        mean, low, high = interval(limits)
        known, far, everywhere = (100 * collect(results, name).mean() for name in ("known", "far", "all"))
        evidence = (
            f"{many.evidence}, and contradict {mean:.1f} % [{low:.1f}, {high:.1f}] of these; they contradict "
            f"{known:.1f} % of planted errors, {far:.1f} % of the farthest points and {everywhere:.1f} % of all"
        )
        verdict = DISAGREES if high < 20 else UNDECIDED
        many = replace(many, verdict=verdict, evidence=evidence, estimate=mean, low=low, high=high)
    return [
        above(
            "Not in the thesis: planted label errors are among the points closest to the boundary.",
            f"memorised errors among the closest, minus their share of all points ({planted.mean():.1f} %)",
            100 * collect(results, "among") - planted,
            plan=PLAN["closest"],
        ),
        above(
            "Not in the thesis: label errors are closer to the boundary than other points.",
            "probability that a memorised planted error is closer than a point with its right label",
            100 * collect(results, "auc"),
            limit=50.0,
            unit="%",
            plan=PLAN["nearer"],
        ),
        with_plan(many, PLAN["many"], spread_of(limits)),
        memorised({"planted": memorised_share}, spared=(many.claim,)),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """The points of the first split, and both measures over the splits."""
    from matplotlib.patches import Rectangle

    figure, ((near, far, right),) = drawing.panels(3, width=2.6, height=4.6, width_ratios=[1, 1, 0.9])
    first, shown = results[0]["result"], settings["shown"]
    for side, (axis, title) in enumerate(((near, "(a) closest"), (far, "(b) farthest"))):
        rows = [[images.from_hex(c, 1) for c in row[side * shown : (side + 1) * shown]] for row in first["pictures"]]
        mosaic = np.concatenate([np.concatenate([np.pad(p, 1) for p in row], 1) for row in rows])
        axis.imshow(mosaic, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
        axis.grid(False)
        axis.set(title=title, xticks=[], yticks=[15 + 30 * c for c in range(10)], yticklabels=range(10))
        marks = np.array(first[("near", "far")[side]]).reshape(10, shown)
        for (row, column), marked in np.ndenumerate(marks):
            steps = first["steps"][row][side * shown + column]
            shown_steps = steps if steps <= 10 * settings["most"] else "none"
            axis.text(30 * column + 28, 30 * row + 28, shown_steps, fontsize=5.5, ha="right", color=drawing.THIRD)
            if marked:
                axis.add_patch(Rectangle((30 * column, 30 * row), 29, 29, fill=False, color=drawing.POISONED))
    near.set_ylabel("label")
    near.set_xlabel("blue: distance, thousandths;\nred: held-out networks contradict", fontsize=7.5)
    far.set_xlabel(f"none: no path to another class\nin {settings['most']:,} steps", fontsize=7.5)
    planted = settings["planted"] / settings["train"]
    kinds = (
        ("planted errors\namong closest", collect(results, "among").tolist(), drawing.POISONED),
        ("contradicted,\nclosest", collect(results, "near").mean(1).tolist(), drawing.RANDOM),
        ("contradicted,\nfarthest", collect(results, "far").mean(1).tolist(), drawing.GREY),
    )
    for x, (name, values, colour) in enumerate(kinds):
        right.plot([x] * len(values), values, ".", color=colour, alpha=0.3)
        drawing.bars(right, [x], [values], colour, name)
    right.axhline(planted, color="black", linestyle=":", linewidth=1)
    right.annotate("planted, of all", (2.4, planted), ha="right", va="bottom", fontsize=7.5)
    right.set_xticks(range(3), [name for name, *_ in kinds], rotation=35, ha="right", fontsize=7.5)
    right.set(title=f"(c) {len(results)} replicates", ylabel="share of the points", xlim=(-0.4, 2.5))
    drawing.percent(right, 0.0, max(0.5, *(max(values) for _, values, _ in kinds)))
    return figure


def _distances(cell: dict[str, Any], sample: networks.Sample, labels: np.ndarray, victims: Victims) -> np.ndarray:
    """Distance of every training point from the boundary of a network trained on some labels, in thousandths, (n,)."""
    coarse = networks.boundary_steps(victims, sample.inputs, labels, targeted=False, most=cell["most"])
    found, close = 10 * coarse, coarse <= cell["fine"]
    for own in _by_distance(coarse, labels):
        close[own] |= coarse[own] <= coarse[own[: cell["shown"]]].max(initial=0)
    most = 10 * int(coarse[close].max(initial=0) + 1)
    found[close] = networks.boundary_steps(
        victims, sample.inputs[close], labels[close], targeted=False, most=most, step=0.001
    )
    return found


def _by_distance(steps: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
    """Indices of the points of each class, closest to the boundary first."""
    classes = [np.flatnonzero(labels == c) for c in range(10)]
    return [own[np.argsort(steps[own], kind="stable")] for own in classes]


def _held_out(cell: dict[str, Any], sample: networks.Sample) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What networks that did not see a point make of it, one network for each of some folds.

    Returns:
        The class that they predict, the probability that they give to the point's label, and that of the predicted
        class, each (n,).
    """
    n, folds = len(sample.labels), cell["folds"]
    fold = sample.rng.permutation(n) % folds
    size = int((fold != 0).sum())  # fold 0 is the largest; every network sees as many points as the one without it
    seen = np.stack([np.flatnonzero(fold != k)[:size] for k in range(folds)])
    victims = train(
        networks.architecture_of(cell),
        networks.recipe_of(cell),
        torch.from_numpy(sample.inputs),
        torch.from_numpy(sample.labels[seen]),
        init=[sample.seed] * folds,
        order=[sample.seed + 1] * folds,
        num_classes=10,
        subset=torch.from_numpy(seen),
    )
    with torch.no_grad():
        parts = [victims(some.unsqueeze(0)).softmax(-1) for some in torch.from_numpy(sample.inputs).split(1000)]
    shares = torch.cat(parts, 1).numpy()[fold, np.arange(n)]  # (n, class)
    return shares.argmax(-1), shares[np.arange(n), sample.labels], shares.max(-1)
