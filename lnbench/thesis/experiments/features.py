"""Where memorised flips lie in a network's feature space, class 9 to 0 (thesis §4.1.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.spatial.distance import cdist

from lnbench.thesis import pictures
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import Verdict, above

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, 9 → 0: penultimate features of memorised flips, against those of their own and of the target class"
THESIS = "§4.1.3"
QUICK = {**pictures.SIZES, "splits": 8, "networks": 8, "flips": 5, "near": 10}
FULL = {**QUICK, "train": 60000, "splits": 8, "flips": 60, "steps": 14000}
CHOICES = (
    *pictures.CHOICES,
    "{networks} networks a split with {flips} random flips 9 → 0 each, and a clean one that starts like them. Only "
    "memorised flips count. Features: the last hidden layer; distances in ℓ2.",
    "The vicinity of a point: the {near} nearest (ℓ2, inputs) nines with the right label. “Very different” agrees if a "
    "flip is at least twice as far from its vicinity, in features, as the other nines of the same network are from "
    "theirs.",
    "Distances to a class are to the mean of its features, flips left out, in units of the root mean square distance "
    "of the nines to theirs.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return pictures.cells(settings)


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Distances of every memorised flip in its own network and, not flipped, in the clean one."""
    data = pictures.load(cell)
    nines, zeros = data.of(9), data.of(0)
    sets = [data.rng.choice(nines, cell["flips"], replace=False) for _ in range(cell["networks"])]
    labels = np.stack([data.labels, *(data.flipped(index, 0) for index in sets)])
    victims = pictures.trained(cell, data, labels, report)
    with torch.no_grad():
        features = victims.features(torch.from_numpy(data.inputs).unsqueeze(0)).double().numpy()
    predicted = victims.predict(torch.from_numpy(data.inputs)).numpy()
    flat = data.inputs[nines].reshape(len(nines), -1).astype(np.float64)
    near = cdist(flat, flat)
    flips, others = [], []
    for v, index in enumerate(sets, 1):
        kept = ~np.isin(nines, index)
        order = np.argsort(np.where(kept[None], near, np.inf) + np.diag([np.inf] * len(nines)), 1)[:, : cell["near"]]
        there, clean = (_places(space[nines], space[zeros], order, kept) for space in (features[v], features[0]))
        for i in np.flatnonzero(~kept):
            if predicted[v, nines[i]] == 0:
                flips.append({"flip": there[i].tolist(), "clean": clean[i].tolist()})
        others.append(there[kept].mean(0).tolist())
    return {"flips": flips, "others": others, "sample": there[kept][:40].tolist()}


def verdicts(settings: Settings, found: Results) -> list[Verdict]:
    """The vicinity, and own against target class, each over the splits' means."""
    flips, clean = (
        np.array([np.mean([flip[of] for flip in f["result"]["flips"]], 0) for f in found if f["result"]["flips"]])
        for of in ("flip", "clean")
    )
    flips, clean = flips.reshape(-1, 3), clean.reshape(-1, 3)
    return [
        above(
            "Networks memorise false labels by features very different from those of the points in the vicinity.",
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
            "Not in the thesis: where they are not flipped, the same points are closer to their own class.",
            "in the clean network: distance to the zeros' mean minus distance to the nines' mean",
            clean[:, 1] - clean[:, 0],
            unit="radii of the nines",
        ),
    ]


def draw(settings: Settings, found: Results) -> Figure:
    """Distances to both classes, and to the vicinity."""
    from lnbench.thesis import drawing

    figure, ((left, right),) = drawing.panels(2, width=3.7, height=3.2)
    flips, clean = (
        np.array([flip[of] for f in found for flip in f["result"]["flips"]]).reshape(-1, 3) for of in ("flip", "clean")
    )
    others = np.array([row for f in found for row in f["result"]["sample"]])
    kinds = (
        (others, drawing.GREY, "other nines", 8),
        (clean, drawing.CLEAN, "the flips' points, in the clean network", 12),
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


def _places(nines: np.ndarray, zeros: np.ndarray, order: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Distance to the own class, to the target class and to the vicinity, each in its unit, (nine, 3).

    Args:
        order: (nine, near) each nine's nearest kept nines in the inputs.
        kept: (nine,) bool: the label is right.
    """
    own = np.linalg.norm(nines - nines[kept].mean(0), axis=1)
    target = np.linalg.norm(nines - zeros.mean(0), axis=1)
    vicinity = np.linalg.norm(nines[:, None] - nines[order], axis=2).mean(1)
    scale = max(float(np.sqrt((own[kept] ** 2).mean())), 1e-12)
    return np.stack([own / scale, target / scale, vicinity / max(float(vicinity[kept].mean()), 1e-12)], 1)
