"""Poisons at distance r of the class means, for means at several distances of the boundary (thesis §4.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lnbench.thesis import toy_networks
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import AGREES, DISAGREES, UNDECIDED, Verdict, above, interval, within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Toy Gaussians: adversarial and natural accuracy over the means' and the poisons' distance"
THESIS = "§4.2, figure 5"
FULL = {
    "d": 64,
    "n": 500,
    "test": 300,
    "seeds": 20,
    "per_class": 2,
    "depth": 3,
    "width": 64,
    "steps": 400,
    "batch": 64,
    "rate": 0.005,
    "epsilon": 0.3,
    "pgd_steps": 20,
    "distances": [3.0, 4.0, 6.0, 8.0, 16.0],
    "radii": [0.0, 0.25, 0.5, 0.75, 1.0, 1.5],
}
QUICK = {**FULL, "seeds": 5, "distances": [4.0, 8.0, 16.0], "radii": [0.0, 0.5, 1.0, 1.5]}
CHOICES = (
    *toy_networks.CHOICES,
    "{per_class} poisons per class, uniform at distance r of its mean; the grid is in µ√d/σ (distance of a mean to the "
    "boundary) and r/(σ√d) (1 is where the class lies).",
    "Early stopping keeps the first of the checks, every 20 steps, that is most accurate on 300 held-out clean points.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per distance of the means and per radius (None: clean), for poisons of the other and of a third class."""
    return [
        toy_networks.cells(settings, distance=distance, radius=radius, third=third)
        for distance in settings["distances"]
        for third in (False, True)
        for radius in [None, *settings["radii"]]
    ]


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Train to the end, and stopped early."""
    data, victims, stopped = toy_networks.train(cell, report, stop_early=True)
    if stopped is None:
        raise RuntimeError("early stopping was asked for")
    right = data.right.sum(1).tolist()
    return {
        **toy_networks.measured(cell, data, victims),
        "stopped": toy_networks.measured(cell, data, stopped),
        "right": right,
    }


def verdicts(settings: Settings, found: Results) -> list[Verdict]:
    """The six claims of §4.2."""
    radii, distances = settings["radii"], settings["distances"]
    opposite, third = (_table(settings, found, "adversarial", flag) for flag in (False, True))
    fitted = _table(settings, found, "fitted", False)[:, 1:]
    stopped = _table(settings, found, "adversarial", False, "stopped")
    drop = opposite[:, :1] - opposite[:, 1:]  # (distance, radius, seed), below clean
    natural = _table(settings, found, "natural", False)[:, 1:].mean(2)
    far = distances.index(max(distances))
    near = [i for i in range(len(distances)) if i != far]
    mid = [i for i, radius in enumerate(radii) if radius > 0]
    worst = interval(
        _table(settings, found, "natural", False)[:, 1:][np.unravel_index(natural.argmin(), natural.shape)]
    )
    over = sum(sum(f["result"]["right"]) for f in found if f["cell"]["radius"] is not None and not f["cell"]["third"])
    every = sum(2 * settings["per_class"] * settings["seeds"] for _ in distances for _ in radii)
    return [
        above(
            "Poisons near the mean are the least effective.",
            "drop of AA below clean, poisons farther away minus poisons at the mean (all means but the farthest)",
            100 * (drop[near][:, mid].mean((0, 1)) - drop[near][:, radii.index(0.0)].mean(0)),
        ),
        above(
            "Poisons near the mean are often not even fitted.",
            "share fitted, farther away minus at the mean",
            100 * (fitted[:, mid].mean((0, 1)) - fitted[:, radii.index(0.0)].mean(0)),
        ),
        within(
            "Where the means are very far apart the poisons have almost no effect.",
            f"drop of AA below clean at µ√d/σ = {distances[far]:g}, all r",
            100 * drop[far].mean(0),
            margin=1.0,
        ),
        above(
            "Poisons of a third class are milder.",
            "AA, third class minus opposite class, all r and µ",
            100 * (third - opposite)[:, 1:].mean((0, 1)),
        ),
        Verdict(
            "Natural accuracies are all above 99 %.",
            AGREES if worst[1] > 0.99 else DISAGREES if worst[2] < 0.99 else UNDECIDED,
            f"lowest of {natural.size} points: {100 * worst[0]:.2f} % [{100 * worst[1]:.2f}, {100 * worst[2]:.2f}]; "
            f"{(natural > 0.99).sum()} of {natural.size} means above 99 %",
            *worst,
            settings["seeds"],
        ),
        within(
            "With early stopping the poisoned network is as good as a clean one stopped early.",
            "AA, clean minus poisoned, both stopped early, all r and µ",
            100 * (stopped[:, :1] - stopped[:, 1:]).mean((0, 1)),
            margin=1.0,
        ),
        within(
            "With early stopping the poisoned network is as good as a clean one trained to the end.",
            "AA, clean trained to the end minus poisoned stopped early, all r and µ",
            100 * (opposite[:, :1] - stopped[:, 1:]).mean((0, 1)),
            margin=1.0,
        ),
        Verdict(
            "The poisons' labels are wrong.",
            DISAGREES if over > 0.01 * every else AGREES,
            f"{over} of {every} poisons lie over the boundary, where their label is right",
            n=every,
        ),
    ]


def draw(settings: Settings, found: Results) -> Figure:
    """Accuracies as tables over µ and r."""
    from lnbench.thesis import drawing

    figure, axes = drawing.panels(2, 3, width=3.7, height=2.5)
    columns = ["clean", *(f"{radius:g}" for radius in settings["radii"])]
    rows = [f"{distance:g}" for distance in settings["distances"]]
    shown = [
        ("(a) AA, poisons of the opposite class", _table(settings, found, "adversarial", False), 0),
        ("(b) AA, poisons of a third class", _table(settings, found, "adversarial", True), 0),
        ("(c) Natural accuracy, opposite class", _table(settings, found, "natural", False), 1),
        ("(d) Natural accuracy, third class", _table(settings, found, "natural", True), 1),
        ("(e) AA with early stopping, opposite class", _table(settings, found, "adversarial", False, "stopped"), 0),
        ("(f) Poisons fitted, opposite class", _table(settings, found, "fitted", False)[:, 1:], 0),
    ]
    for axis, (title, values, decimals) in zip(axes.flat, shown, strict=True):
        drawing.heat(axis, values, rows, columns[-values.shape[1] :], decimals=decimals)
        axis.set_title(title)
    for axis in axes[-1]:
        axis.set_xlabel("poisons' distance r / (σ√d)")
    for axis in axes[:, 0]:
        axis.set_ylabel("means' distance µ√d / σ")
    figure.suptitle(f"in %, means over {settings['seeds']} seeds and 95 % intervals", fontsize=8.5, x=0.99, ha="right")
    return figure


def _table(settings: Settings, found: Results, quantity: str, third: bool, of: str = "") -> np.ndarray:
    """(distance, 1 + radius, seed): clean first; clean's fitted share is NaN."""
    empty = [float("nan")] * settings["seeds"]
    rows = []
    for distance in settings["distances"]:
        some = [f for f in found if f["cell"]["distance"] == distance and f["cell"]["third"] == third]
        rows.append([(f["result"][of] if of else f["result"]).get(quantity, empty) for f in some])
    return np.array(rows)
