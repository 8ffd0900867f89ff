"""Where memorised flips lie in a network's feature space, class 9 to 0 (thesis §4.1.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lnbench.thesis import drawing, flip_sets, images, networks, shared_networks
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.plan import Plan
from lnbench.thesis.verdicts import Verdict, above, memorised

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, 9 → 0: penultimate features of memorised flips, beside those of their own and of the target class"
THESIS = "§4.1.3"
QUICK = {**images.QUICK, "splits": 8, "networks": 4, "flips": 5, "near": 10}
FULL = {**QUICK, **images.FULL_CNN, "flips": 60, "networks": 8}
PLAN = {"beyond": Plan(20, 7.6, "features quick"), "vicinity": Plan(5, 2.8, "features quick")}
VERY, MOST = 0.95, 50.0
"""A flip is very different from its vicinity if it is farther from it than this share of unflipped nines; and how many
percent of the flips have to be."""
_CONTROLS = 200
CHOICES = (
    *images.CHOICES_UNTESTED,
    "{networks} networks a split with {flips} random flips 9 → 0 each, and a clean one that starts like them. Only "
    "memorised flips count. Features are the activations of the last hidden layer; distances are in ℓ2.",
    "The vicinity of a point is the {near} training points whose inputs are nearest to it. A flip is “very different” "
    "from it if their features are farther apart (mean distance) than those of 95 % of up to 200 unflipped nines are "
    "from their own vicinity's in the same network; the claim is that more than half of the memorised flips are. (This "
    "measure was written after the level quick had been run with another one, the overlap.) The overlap is the share "
    "of the vicinity that is among the {near} nearest in features, too; by chance it is {near}/(n − 1).",
    "The distance to a class is that to the mean of its features without the flips, in units of the root mean square "
    "distance of the nines to their mean.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return images.cells(settings)


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Place of every memorised flip in its own network's features, and of the same point in the clean network's."""
    sample = images.load_mnist(cell)
    nines, zeros = sample.of_class(9), sample.of_class(0)
    sets = flip_sets.random_sets([nines], cell["flips"], cell["networks"], sample.rng)
    labels = np.stack([sample.flipped(index, 0) for index in sets])
    clean_network, victims = shared_networks.clean(cell, sample), networks.train(cell, sample, labels, report)
    with torch.no_grad():
        parts = [victims.features(some.unsqueeze(0)).double() for some in torch.from_numpy(sample.inputs).split(1000)]
    spaces = torch.cat(parts, 1).numpy()
    del parts
    untouched = networks.features(cell, clean_network, sample.inputs)
    predicted = networks.predicted(cell, victims, sample.inputs)
    flat = sample.inputs.reshape(len(sample.inputs), -1).astype(np.float64)
    controls = nines[~np.isin(nines, np.concatenate(sets))][:_CONTROLS]
    around = nearest(flat, controls, cell["near"])
    flips: list[dict[str, Any]] = []
    others = []
    for v, index in enumerate(sets):
        unflipped = ~np.isin(nines, index)
        there, clean = (distances(space[nines], space[zeros], unflipped) for space in (spaces[v], untouched))
        vicinity = nearest(flat, index, cell["near"])
        kept = [overlap(vicinity, nearest(space, index, cell["near"])) for space in (spaces[v], untouched)]
        ours, theirs = apart(spaces[v], index, vicinity), apart(spaces[v], controls, around)
        before = apart(untouched, index, vicinity)[:, None] > apart(untouched, controls, around)
        for i, point in enumerate(index):
            if predicted[v, point] == 0:
                at = int(np.flatnonzero(nines == point)[0])
                pairs = zip(("flip", "clean"), (there, clean), kept, strict=True)
                flips.append({name: [*place[at].tolist(), float(shares[i])] for name, place, shares in pairs})
                flips[-1]["beyond"] = float((ours[i] > theirs).mean())
                flips[-1]["times"] = float(ours[i] / max(np.median(theirs), 1e-12))
                flips[-1]["before"] = float(before[i].mean())
        others.append(there[unflipped].mean(0).tolist())
    return {"flips": flips, "others": others, "sample": there[unflipped][:40].tolist()}


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """Distance from the vicinity, overlap with it, and distances to both classes, each over the means of the splits."""
    by_split = [entry["result"]["flips"] for entry in results if entry["result"]["flips"]]
    flips, clean = (
        np.array([np.mean([flip[network] for flip in split], 0) for split in by_split]).reshape(-1, 3)
        for network in ("flip", "clean")
    )
    ours, theirs, chance = 100 * flips[:, 2], 100 * clean[:, 2], 100 * settings["near"] / (settings["train"] - 1)
    flipped = settings["networks"] * settings["flips"]
    beyond, before = (
        [100 * float(np.mean([flip[network] >= VERY for flip in split])) for split in by_split]
        for network in ("beyond", "before")
    )
    times = float(np.median([flip["times"] for split in by_split for flip in split])) if by_split else 0.0
    return [
        above(
            "Networks memorise wrong labels by features very different from those of the points in the vicinity.",
            f"memorised flips that are very different from their vicinity (5 % of unflipped nines are, and "
            f"{np.mean(before) if before else 0:.1f} % of the same points in the clean network; half of the flips are "
            f"more than {times:.1f} times as far from it as the median nine is from its own)",
            beyond,
            limit=MOST,
            unit="%",
            plan=PLAN["beyond"],
        ),
        above(
            "Not in the thesis: in features a memorised flip keeps fewer neighbours than the same point unflipped.",
            f"overlap with the vicinity: {ours.mean():.1f} % if flipped, {theirs.mean():.1f} % if not, by chance "
            f"{chance:.1f} %; the second minus the first",
            theirs - ours,
            plan=PLAN["vicinity"],
        ),
        above(
            "Not in the thesis: a memorised flip is closer to the target class than to its own.",
            "distance to the nines' mean minus distance to the zeros' mean",
            flips[:, 0] - flips[:, 1],
            unit="radii of the nines",
        ),
        above(
            "Not in the thesis: if they are not flipped, the same points are closer to their own class.",
            "in the clean network: distance to the zeros' mean minus distance to the nines' mean",
            clean[:, 1] - clean[:, 0],
            unit="radii of the nines",
        ),
        memorised({"all": [100 * len(entry["result"]["flips"]) / flipped for entry in results]}),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Distances to both classes, and the overlap with the vicinity."""
    figure, ((left, right),) = drawing.panels(2, width=3.7, height=3.2)
    every = [flip for entry in results for flip in entry["result"]["flips"]]
    flips, clean = (np.array([flip[network] for flip in every]).reshape(-1, 3) for network in ("flip", "clean"))
    others = np.array([point for entry in results for point in entry["result"]["sample"]])
    some = slice(None, None, max(1, -(-len(every) // 400)))
    kinds = (
        (others, drawing.GREY, "other nines", 8),
        (clean[some], drawing.CLEAN, "the same points in the clean network", 12),
        (flips[some], drawing.POISONED, f"memorised flips (in (a) {len(flips[some]):,} of {len(flips):,})", 12),
    )
    for values, colour, name, size in kinds:
        left.scatter(values[:, 0], values[:, 1], s=size, color=colour, alpha=0.5, linewidths=0, label=name)
    limit = 1.05 * max(values[:, :2].max() for values, *_ in kinds if len(values))
    left.plot([0, limit], [0, limit], color="black", linewidth=0.9, linestyle=":")
    left.set(title="(a) Distance to both classes, in radii of the nines", xlim=(0, limit), ylim=(0, limit))
    left.set(xlabel="to the mean of class 9", ylabel="to the mean of class 0")
    for values, colour in ((clean, drawing.CLEAN), (flips, drawing.POISONED)):
        shares = np.sort(values[:, 2])
        right.step(shares, np.arange(1, len(shares) + 1) / max(len(shares), 1), where="post", color=colour)
    right.axvline(settings["near"] / (settings["train"] - 1), color="black", linewidth=0.9, linestyle=":")
    right.set(title="(b) Overlap with the vicinity", ylabel="share of the points")
    right.set(xlabel="neighbours kept in features; dotted: chance", xlim=(0, 1))
    drawing.percent(right)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def distances(nines: np.ndarray, zeros: np.ndarray, unflipped: np.ndarray) -> np.ndarray:
    """Distance of every nine to its own and to the target class, in radii of the nines, (nine, 2).

    Args:
        nines, zeros: (nine, feature) and (zero, feature).
        unflipped: (nine,) bool: the label is right.
    """
    own = np.linalg.norm(nines - nines[unflipped].mean(0), axis=1)
    target = np.linalg.norm(nines - zeros.mean(0), axis=1)
    scale = max(float(np.sqrt((own[unflipped] ** 2).mean())), 1e-12)
    return np.stack([own / scale, target / scale], 1)


def nearest(points: np.ndarray, index: np.ndarray, count: int) -> np.ndarray:
    """The `count` other points nearest to each of some points (ℓ2), (some, count) indices.

    Args:
        points: (n, d).
        index: (some,), which of them.
    """
    apart = torch.cdist(torch.from_numpy(points[index]), torch.from_numpy(points))
    apart[torch.arange(len(index)), torch.from_numpy(index)] = torch.inf
    found: np.ndarray = apart.topk(count, largest=False).indices.numpy()
    return found


def apart(space: np.ndarray, index: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Mean distance (ℓ2) in features from some points to others, (some,).

    Args:
        space: (n, feature).
        index, others: (some,) and (some, count), indices into it.
    """
    mean: np.ndarray = np.linalg.norm(space[index][:, None] - space[others], axis=2).mean(1)
    return mean


def overlap(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Share of each row's indices that the same row of the others has, (row,)."""
    shares: np.ndarray = (some[:, :, None] == others[:, None]).any(2).mean(1)
    return shares
