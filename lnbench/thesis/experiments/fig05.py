"""Poisons at distance r from the class means, for means at several distances from the boundary (thesis §4.2)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lnbench.thesis import drawing, toy_networks
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.shapes import falling, lowest_at
from lnbench.thesis.verdicts import AGREES, DISAGREES, Verdict, above, exceeds, interval, within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Toy Gaussians: adversarial and natural accuracy over the distances of the means and of the poisons"
THESIS = "§4.2, figure 5"
FULL = {
    **toy_networks.POISONED,
    "d": 64,
    "rate": 0.005,
    "epsilon": 0.3,
    "distances": [3.0, 4.0, 6.0, 8.0, 16.0],
    "radii": [0.0, 0.25, 0.5, 0.75, 1.0, 1.5],
}
QUICK = {**FULL, "seeds": 5, "distances": [4.0, 8.0, 16.0], "radii": [0.0, 0.5, 1.0, 1.5]}
CHOICES = (
    *toy_networks.CHOICES,
    "{per_class} poisons per class, uniform at distance r from its mean. The grid is in µ√d/σ (the distance of a mean "
    "from the boundary) and in r/(σ√d) (the points of a class lie at about 1).",
    "“The worst for having high adversarial error” is read as the least effective of all r. (First tested on the mean "
    "of all other r alone, as the claim after it is now; it agreed.)",
    "Early stopping looks every 20 steps at the accuracy on 300 held-out clean points, and takes the first network "
    "with the highest.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per distance of the means and per radius (None: clean), for poisons of the other and of a third class."""
    return [
        toy_networks.cell(settings, distance=distance, radius=radius, third=third)
        for distance in settings["distances"]
        for third in (False, True)
        for radius in [None, *settings["radii"]]
    ]


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Accuracies of the victims trained to the end and of those stopped early."""
    sets, victims, stopped = toy_networks.train(cell, report, stop_early=True)
    if stopped is None:
        raise RuntimeError("early stopping was asked for")
    return {
        **toy_networks.accuracies(cell, sets, victims),
        "stopped": toy_networks.accuracies(cell, sets, stopped),
        "right": sets.label_is_true.sum(1).tolist(),
    }


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """The claims of §4.2, and a control."""
    radii, distances = settings["radii"], settings["distances"]
    opposite, third = (_table(settings, results, "adversarial", flag) for flag in (False, True))
    fitted = _table(settings, results, "fitted", False)[:, 1:]
    stopped = _table(settings, results, "adversarial", False, "stopped")
    # below clean, (distance, radius, seed)
    drop, of_third = (table[:, :1] - table[:, 1:] for table in (opposite, third))
    natural = _table(settings, results, "natural", False)[:, 1:]
    means = natural.mean(2)
    far = distances.index(max(distances))
    near = [i for i in range(len(distances)) if i != far]
    mid = [i for i, radius in enumerate(radii) if radius > 0]
    worst = interval(natural[np.unravel_index(means.argmin(), means.shape)])
    opposites = [entry for entry in results if entry["cell"]["radius"] is not None and not entry["cell"]["third"]]
    beyond = sum(sum(entry["result"]["right"]) for entry in opposites)
    every = 2 * settings["per_class"] * settings["seeds"] * len(opposites)
    return [
        lowest_at(
            "Poisons near the mean are the least effective.",
            "drop of AA below clean over r (all means but the farthest)",
            radii,
            100 * drop[near].mean(0),
            radii.index(0.0),
        ),
        above(
            "Poisons near the mean are less effective than those farther away.",
            "drop of AA below clean, poisons farther away minus poisons at the mean (all means but the farthest)",
            100 * (drop[near][:, mid].mean((0, 1)) - drop[near][:, radii.index(0.0)].mean(0)),
        ),
        above(
            "Of a third class, too, poisons near the mean are less effective than those farther away.",
            "the same, poisons of a third class",
            100 * (of_third[near][:, mid].mean((0, 1)) - of_third[near][:, radii.index(0.0)].mean(0)),
        ),
        above(
            "Poisons near the mean are often not even fitted.",
            "share fitted, farther away minus at the mean",
            100 * (fitted[:, mid].mean((0, 1)) - fitted[:, radii.index(0.0)].mean(0)),
        ),
        within(
            "If the means are very far apart, the poisons have almost no effect.",
            f"drop of AA below clean at µ√d/σ = {distances[far]:g}, all r",
            100 * drop[far].mean(0),
            margin=1.0,
        ),
        falling(
            "The closer the class means are, the lower the adversarial accuracy.",
            "AA with poisons, all r, over µ√d/σ from the farthest means to the closest",
            distances[::-1],
            100 * opposite[::-1, 1:].mean(1),
            margin=1.0,
        ),
        falling(
            "With a third class, too, the closer the class means are, the lower the adversarial accuracy.",
            "AA with poisons of a third class, all r, over µ√d/σ from the farthest means to the closest",
            distances[::-1],
            100 * third[::-1, 1:].mean(1),
            margin=1.0,
        ),
        falling(
            "The closer the class means are, the lower the natural accuracy.",
            "natural accuracy with poisons, all r, over µ√d/σ from the farthest means to the closest",
            distances[::-1],
            100 * natural[::-1].mean(1),
            margin=0.1,
        ),
        above(
            "Poisons of a third class are milder.",
            "AA, third class minus opposite class, all r and µ",
            100 * (third - opposite)[:, 1:].mean((0, 1)),
        ),
        Verdict(
            "Natural accuracies are all above 99 %.",
            exceeds(*worst[1:], 0.99),
            f"lowest of {means.size} points: {100 * worst[0]:.2f} % [{100 * worst[1]:.2f}, {100 * worst[2]:.2f}]; "
            f"{(means > 0.99).sum()} of {means.size} means above 99 %",
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
            "Control: the labels of the poisons are wrong.",
            DISAGREES if beyond > 0.01 * every else AGREES,
            f"{beyond} of {every} poisons lie beyond the boundary, where their label is right",
            n=every,
        ),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Tables of accuracy over µ and r."""
    figure, axes = drawing.panels(2, 3, width=3.7, height=2.5)
    columns = ["clean", *(f"{radius:g}" for radius in settings["radii"])]
    rows = [f"{distance:g}" for distance in settings["distances"]]
    shown = [
        ("(a) AA, poisons of the opposite class", _table(settings, results, "adversarial", False), 0),
        ("(b) AA, poisons of a third class", _table(settings, results, "adversarial", True), 0),
        ("(c) Natural accuracy, opposite class", _table(settings, results, "natural", False), 1),
        ("(d) Natural accuracy, third class", _table(settings, results, "natural", True), 1),
        ("(e) AA with early stopping, opposite class", _table(settings, results, "adversarial", False, "stopped"), 0),
        ("(f) Poisons fitted, opposite class", _table(settings, results, "fitted", False)[:, 1:], 0),
    ]
    for axis, (title, values, decimals) in zip(axes.flat, shown, strict=True):
        drawing.heat(axis, values, rows, columns[-values.shape[1] :], decimals=decimals)
        axis.set_title(title)
    for axis in axes[-1]:
        axis.set_xlabel("distance of the poisons r / (σ√d)")
    for axis in axes[:, 0]:
        axis.set_ylabel("distance of the means µ√d / σ")
    figure.suptitle(f"in %, means over {settings['seeds']} seeds and 95 % intervals", fontsize=8.5, x=0.99, ha="right")
    return figure


def _table(settings: Settings, results: Results, quantity: str, third: bool, of: str = "") -> np.ndarray:
    """One quantity over the grid, (distance, 1 + radius, seed); clean comes first, and has NaN for the share fitted."""
    empty = [float("nan")] * settings["seeds"]
    rows = []
    for distance in settings["distances"]:
        some = [entry for entry in results if entry["cell"]["distance"] == distance and entry["cell"]["third"] == third]
        rows.append([(entry["result"][of] if of else entry["result"]).get(quantity, empty) for entry in some])
    return np.array(rows)
