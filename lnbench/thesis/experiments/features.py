"""Where memorised flips lie in a network's feature space, class 9 to 0 (thesis §4.1.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.spatial.distance import cdist

from lnbench.thesis import drawing, flip_sets, images, networks
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import Verdict, above

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, 9 → 0: penultimate features of memorised flips, beside those of their own and of the target class"
THESIS = "§4.1.3"
QUICK = {**images.QUICK, "splits": 8, "networks": 8, "flips": 5, "near": 10}
FULL = {**QUICK, **images.FULL, "flips": 60}
CHOICES = (
    *images.CHOICES,
    "{networks} networks a split with {flips} random flips 9 → 0 each, and a clean one that starts like them. Only "
    "memorised flips count. Features are the activations of the last hidden layer; distances are in ℓ2.",
    "The vicinity of a point is the {near} nines with the right label whose inputs are nearest to it (ℓ2). “Very "
    "different” means that in features a flip is at least twice as far from its vicinity as the other nines of the "
    "same network are from theirs.",
    "The distance to a class is that to the mean of its features without the flips, in units of the root mean square "
    "distance of the nines to their mean.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return images.cells(settings)


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Distances of every memorised flip in its own network, and of the same point, not flipped, in the clean one."""
    sample = images.load_mnist(cell)
    nines, zeros = sample.of_class(9), sample.of_class(0)
    sets = flip_sets.random_sets([nines], cell["flips"], cell["networks"], sample.rng)
    labels = np.stack([sample.labels, *(sample.flipped(index, 0) for index in sets)])
    victims = networks.train(cell, sample, labels, report)
    with torch.no_grad():
        spaces = victims.features(torch.from_numpy(sample.inputs).unsqueeze(0)).double().numpy()
    predicted = victims.predict(torch.from_numpy(sample.inputs)).numpy()
    flat = sample.inputs[nines].reshape(len(nines), -1).astype(np.float64)
    apart = cdist(flat, flat)
    flips, others = [], []
    for v, index in enumerate(sets, 1):
        unflipped = ~np.isin(nines, index)
        others_only = np.where(unflipped[None], apart, np.inf) + np.diag([np.inf] * len(nines))
        order = np.argsort(others_only, 1)[:, : cell["near"]]
        there, clean = (distances(space[nines], space[zeros], order, unflipped) for space in (spaces[v], spaces[0]))
        for i in np.flatnonzero(~unflipped):
            if predicted[v, nines[i]] == 0:
                flips.append({"flip": there[i].tolist(), "clean": clean[i].tolist()})
        others.append(there[unflipped].mean(0).tolist())
    return {"flips": flips, "others": others, "sample": there[unflipped][:40].tolist()}


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """Distances to the vicinity, and to the own against the target class, each over the means of the splits."""
    by_split = [entry["result"]["flips"] for entry in results if entry["result"]["flips"]]
    flips, clean = (
        np.array([np.mean([flip[network] for flip in split], 0) for split in by_split]).reshape(-1, 3)
        for network in ("flip", "clean")
    )
    return [
        above(
            "Networks memorise wrong labels by features very different from those of the points in the vicinity.",
            "distance of a flip to its vicinity over that of the other nines to theirs",
            flips[:, 2],
            limit=2.0,
            unit="times",
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
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Distances to both classes, and to the vicinity."""
    figure, ((left, right),) = drawing.panels(2, width=3.7, height=3.2)
    every = [flip for entry in results for flip in entry["result"]["flips"]]
    flips, clean = (np.array([flip[network] for flip in every]).reshape(-1, 3) for network in ("flip", "clean"))
    others = np.array([point for entry in results for point in entry["result"]["sample"]])
    kinds = (
        (others, drawing.GREY, "other nines", 8),
        (clean, drawing.CLEAN, "the same points in the clean network", 12),
        (flips, drawing.POISONED, "memorised flips", 12),
    )
    for values, colour, name, size in kinds:
        left.scatter(values[:, 0], values[:, 1], s=size, color=colour, alpha=0.5, linewidths=0, label=name)
        spread = np.sort(values[:, 2])
        right.step(spread, np.arange(1, len(spread) + 1) / max(len(spread), 1), where="post", color=colour)
    limit = 1.05 * max(values[:, :2].max() for values, *_ in kinds if len(values))
    left.plot([0, limit], [0, limit], color="black", linewidth=0.9, linestyle=":")
    left.set(title="(a) Distance to both classes, in radii of the nines", xlim=(0, limit), ylim=(0, limit))
    left.set(xlabel="to the mean of class 9", ylabel="to the mean of class 0")
    right.axvline(2, color="black", linewidth=0.9, linestyle=":")
    right.set(title="(b) Distance to the vicinity", xlabel="over that of the other nines", ylabel="share of the points")
    right.set(xlim=(0, None))
    drawing.percent(right)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def distances(nines: np.ndarray, zeros: np.ndarray, order: np.ndarray, unflipped: np.ndarray) -> np.ndarray:
    """Distance of every nine to its own class, to the target class and to its vicinity, each in its unit, (nine, 3).

    Args:
        nines, zeros: (nine, feature) and (zero, feature).
        order: (nine, near), the unflipped nines whose inputs are nearest to each.
        unflipped: (nine,) bool: the label is right.
    """
    own = np.linalg.norm(nines - nines[unflipped].mean(0), axis=1)
    target = np.linalg.norm(nines - zeros.mean(0), axis=1)
    vicinity = np.linalg.norm(nines[:, None] - nines[order], axis=2).mean(1)
    scale = max(float(np.sqrt((own[unflipped] ** 2).mean())), 1e-12)
    return np.stack([own / scale, target / scale, vicinity / max(float(vicinity[unflipped].mean()), 1e-12)], 1)
