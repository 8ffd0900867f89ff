"""Hashes of the points of a toy set keep no distances; SGD then fits poisons near the means (thesis §4.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lnbench.thesis import drawing, networks, toy_data, toy_networks
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.separate_sets import train_separately
from lnbench.thesis.verdicts import Verdict, above, clopper_pearson, exceeds, stays_below

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Decision maps of networks that see the points of a toy set in the plane, and of those that see their hashes"
THESIS = "§4.4, figure 7"
FULL = {
    "seeds": 20,
    "n": 300,
    "per_class": 8,
    "distance": 4.0,
    "radius": 0.3,
    "bits": 12,
    "depth": 3,
    "width": 64,
    "steps": 1000,
    "batch": 64,
    "rate": 0.005,
    "map": 90,
    "reach": 6.0,
}
QUICK = {**FULL, "seeds": 5}
CHOICES = (
    "{n} points of D(d = 2, µ√d = {distance}, σ = 1), and {per_class} poisons per class at distance r = {radius} from "
    "its mean, labelled as a third class. Everything is drawn anew for each of {seeds} seeds.",
    "Listing 1 on each coordinate: ⌊x·2^BITS⌋ mod 941 as binary digits, with a non-negative modulo and BITS = {bits} "
    "(below 10, 941 values do not fit).",
    "Both networks have {depth} hidden layers of {width} ReLU units; Adam, one-cycle, {steps} steps of {batch}, peak "
    "rate {rate}.",
)
_P = 941
"""Listing 1's modulus."""


def hashed(inputs: np.ndarray, bits: int) -> np.ndarray:
    """Listing 1 of the thesis: (…, d) numbers to (…, d · bits) zeros and ones, most significant first.

    >>> hashed(np.array([[0.5, -0.25]]), 10).astype(int).tolist()
    [[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 1, 0, 1]]
    """
    values = np.mod(np.floor(inputs.astype(np.float64) * 2**bits).astype(np.int64), _P)
    digits = (values[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    bitwise: np.ndarray = digits.reshape(*inputs.shape[:-1], -1).astype(np.float32)
    return bitwise


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One for the points, one for their hashes."""
    return [{**settings, "hash": flag} for flag in (False, True)]


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Train one network per seed; its accuracies, and the decisions of the first network on a grid."""
    mu, seeds = cell["distance"] / 2**0.5, range(cell["seeds"])
    sets = toy_data.poisoned_sets(
        seeds, n=cell["n"], test=500, d=2, mu=mu, radius=cell["radius"], per_class=cell["per_class"], third=True
    )

    def shown(inputs: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(hashed(inputs.numpy(), cell["bits"])) if cell["hash"] else inputs

    victims = train_separately(
        networks.architecture_of(cell),
        networks.recipe_of(cell),
        shown(sets.inputs),
        sets.labels,
        init=[2 * seed for seed in seeds],
        order=[2 * seed + 1 for seed in seeds],
        num_classes=3,
        watch=lambda step, _: report(step / cell["steps"]) if step % 100 == 0 else None,
    )
    axis = torch.linspace(-cell["reach"], cell["reach"], cell["map"])
    grid = torch.cartesian_prod(axis, axis).flip(1)
    with torch.no_grad():
        fitted = victims(shown(sets.inputs)).argmax(-1).eq(sets.labels).float()
        decisions = victims(shown(grid).unsqueeze(0))[0].argmax(-1).view(cell["map"], -1)
    return {
        "training": fitted.mean(1).tolist(),
        "fitted": fitted[:, cell["n"] :].mean(1).tolist(),
        "natural": toy_networks.accuracy(victims, shown(sets.test_inputs), sets.test_labels).tolist(),
        "map": ["".join(str(int(c)) for c in row) for row in decisions],
        "points": sets.inputs[0].tolist(),
        "labels": sets.labels[0].tolist(),
    }


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """Which networks reach 100 % training accuracy, and what that costs."""
    seeds = settings["seeds"]
    training, fitted, natural = (collect(results, quantity) for quantity in ("training", "fitted", "natural"))
    reached = [int(count) for count in (training > 0.99999).sum(1)]
    points, hashes = (clopper_pearson(count, seeds) for count in reached)
    return [
        Verdict(
            "On the points, SGD does not reach 100 % training accuracy.",
            stays_below(*points, 0.5),
            f"reached in {reached[0]} of {seeds} runs (share at most {points[1]:.2f}); mean training accuracy "
            f"{100 * training[0].mean():.2f} %, poisons fitted {100 * fitted[0].mean():.0f} %",
            reached[0] / seeds,
            *points,
            seeds,
        ),
        Verdict(
            "On the hashes, SGD reaches 100 % training accuracy.",
            exceeds(*hashes, 0.5),
            f"reached in {reached[1]} of {seeds} runs (share at least {hashes[0]:.2f}); mean training accuracy "
            f"{100 * training[1].mean():.2f} %",
            reached[1] / seeds,
            *hashes,
            seeds,
        ),
        above(
            "The hash makes the network fit the poisons.",
            "poisons fitted, hashes minus points",
            100 * (fitted[1] - fitted[0]),
        ),
        above(
            "Not in the thesis: the hash costs test accuracy.",
            "natural accuracy, points minus hashes",
            100 * (natural[0] - natural[1]),
        ),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """The decision maps of the first seed, with its points on them."""
    from matplotlib.colors import ListedColormap

    figure, (axes,) = drawing.panels(2, width=3.6, height=3.7)
    pale = ListedColormap(["#f7c6c5", "#c6dcf7", "#b7e3bf"])
    reach = settings["reach"]
    for axis, entry, title in zip(axes, results, ("(a) on the points", "(b) on their hashes"), strict=True):
        result = entry["result"]
        decisions = np.array([[int(c) for c in row] for row in result["map"]])
        extent = (-reach, reach, -reach, reach)
        axis.imshow(decisions, cmap=pale, vmin=0, vmax=2, origin="lower", extent=extent, interpolation="nearest")
        points, labels = np.array(result["points"]), np.array(result["labels"])
        colours = (drawing.POISONED, drawing.THIRD, drawing.CLEAN)
        for label, (name, colour) in enumerate(zip(("class 0", "class 1", "poisons"), colours, strict=True)):
            some = points[labels == label].T
            size = 22 if label == 2 else 7
            edge = "black" if label == 2 else "none"
            axis.scatter(*some, s=size, color=colour, edgecolors=edge, linewidths=0.6, label=name)
        accuracy = 100 * result["training"][0]
        axis.set(title=f"{title}, {accuracy:.1f} % fitted", xlabel="x₁ / σ", xlim=(-reach, reach), ylim=(-reach, reach))
        axis.grid(False)
    axes[0].set_ylabel("x₂ / σ")
    axes[0].legend(loc="upper left", handletextpad=0.2, frameon=True, framealpha=0.9, edgecolor="none")
    return figure
