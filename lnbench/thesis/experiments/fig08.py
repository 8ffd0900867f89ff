"""Networks with spectral normalisation on every layer, trained on poisoned toy sets (thesis §4.5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lnbench.thesis import drawing, toy_networks
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.plan import AFTER, Plan
from lnbench.thesis.verdicts import Verdict, above, interval, stays_below
from lnbench.victims import architecture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = (
    "Toy Gaussians: adversarial accuracy over the spectral norm of the last layer, for several distances of the poisons"
)
THESIS = "§4.5, figure 8"
FULL = {
    **toy_networks.POISONED,
    "d": 16,
    "rate": 0.01,
    "epsilon": 0.5,
    "distance": 4.0,
    "norms": [1.0, 3.0, 10.0, 30.0, 100.0],
    "distances": [1.4, 2.8, 4.0],
}
PLAN = {"slope": Plan(2, 1.5, AFTER), "defence": Plan(20, 3.7, AFTER)}
QUICK = {**FULL, "seeds": 6, "norms": [1.0, 10.0, 100.0], "distances": [1.4, 4.0]}
CHOICES = (
    *toy_networks.CHOICES,
    "Every weight matrix is divided by its spectral norm, and that of the last layer is then multiplied by the norm "
    "on the axis; biases are free. During training one power iteration a step estimates the norm; afterwards it is "
    "exact.",
    "Poisons of the opposite class, {per_class} per class; means at µ√d/σ = {distance}; r is in units of σ, as in the "
    "thesis.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per distance of the poisons (None: no poisons) and per norm."""
    root = settings["d"] ** 0.5
    return [
        toy_networks.cell(
            settings, distance=settings["distance"], radius=radius and radius / root, third=False, norm=norm
        )
        for radius in [None, *settings["distances"]]
        for norm in settings["norms"]
    ]


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Accuracies of victims trained with estimated norms, and the true norm over the one asked for."""
    base = {"width": cell["width"], "depth": cell["depth"]}
    spectral = architecture("spectral", {"base": "mlp", "options": base, "last_norm": cell["norm"]})
    sets, victims, _ = toy_networks.train(cell, report, architecture=spectral)
    weights = spectral.normalised(victims.parameters)  # type: ignore[attr-defined]
    exact = torch.linalg.matrix_norm(weights[f"weight{cell['depth']}"], ord=2)
    return {**toy_networks.accuracies(cell, sets, victims), "exact": (exact / cell["norm"]).tolist()}


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """What the spectral norm does to adversarial accuracy and to memorisation.

    The first claim is about memorised poisons: a network that does not fit them is not compared.
    """
    norms, away = settings["norms"], settings["distances"]
    aa, fitted = (_table(settings, results, quantity) for quantity in ("adversarial", "fitted"))
    slopes = _slopes(np.log10(norms), 100 * aa[1:], fitted[1:] > 0.999)
    near = [i for i, r in enumerate(away) if r < 2.8]
    by_norm = 100 * fitted[1:][near].mean(0)  # (norm, seed)
    mean, left, right = interval(by_norm[0])
    shares = ", ".join(f"{norm:g}: {share:.0f} %" for norm, share in zip(norms, by_norm.mean(1), strict=True))
    beyond = f"; {100 * fitted[1:, 0].mean():.0f} % of all at the lowest norm, at r up to {away[-1]:g}"
    return [
        above(
            "The higher the last layer's spectral norm, the lower the adversarial accuracy.",
            "fall of AA per tenfold norm at the same r, among networks that fit all poisons (seeds with such a pair)",
            -slopes,
            plan=PLAN["slope"],
        ),
        above(
            "Not in the thesis: the same on clean data.",
            "fall of AA per tenfold norm, no poisons",
            -np.polyfit(np.log10(norms), 100 * aa[0], 1)[0],
        ),
        Verdict(
            "Networks of a low norm do not memorise poisons nearer than 2.8 to the mean.",
            stays_below(left, right, 50),
            f"fitted at r < 2.8 and the lowest norm: {mean:.0f} % [{left:.0f}, {right:.0f}]; by norm {shares}{beyond}",
            mean,
            left,
            right,
            settings["seeds"],
        ),
        above(
            "A lower norm is a natural defence: it memorises fewer of the poisons.",
            f"poisons fitted, norm {norms[-1]:g} minus norm {norms[0]:g}, all r",
            100 * (fitted[1:, -1] - fitted[1:, 0]).mean(0),
            plan=PLAN["defence"],
        ),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Adversarial accuracy and the share of poisons fitted against the norm."""
    import matplotlib as mpl

    figure, ((left, right),) = drawing.panels(2, width=3.7, height=3.1)
    aa, fitted = (_table(settings, results, quantity) for quantity in ("adversarial", "fitted"))
    shades = mpl.colormaps["plasma"](np.linspace(0.05, 0.8, len(settings["distances"])))
    drawing.curve(left, settings["norms"], aa[0].tolist(), drawing.CLEAN, "no poisons", linestyle="--")
    for i, (radius, shade) in enumerate(zip(settings["distances"], shades, strict=True), 1):
        drawing.curve(left, settings["norms"], aa[i].tolist(), shade, f"r = {radius:g}")
        drawing.curve(right, settings["norms"], fitted[i].tolist(), shade, f"r = {radius:g}")
    for axis, title, label in ((left, "(a) Adversarial accuracy", "AA"), (right, "(b) Memorisation", "poisons fitted")):
        axis.set(xscale="log", xlabel="spectral norm of the last layer", title=title, ylabel=label)
        drawing.percent(axis)
    left.legend(loc="lower left", fontsize=8)
    return figure


def _slopes(x: np.ndarray, aa: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Least-squares slope of AA over x with a level of its own for every distance, among what counts, (seed,).

    Seeds without two norms that count at some distance are left out.

    Args:
        x: (norm,).
        aa, counts: (distance, norm, seed), numbers and bool.
    """
    seen = np.maximum(counts.sum(1, keepdims=True), 1)
    at = np.where(counts, x[:, None], 0.0)
    dx = np.where(counts, x[:, None] - at.sum(1, keepdims=True) / seen, 0.0)
    square = (dx**2).sum((0, 1))
    found: np.ndarray = ((dx * aa).sum((0, 1)) / np.where(square > 0, square, 1.0))[square > 0]
    return found


def _table(settings: Settings, results: Results, quantity: str) -> np.ndarray:
    """One quantity over the grid, (1 + distance, norm, seed); no poisons come first."""
    empty = [float("nan")] * settings["seeds"]
    values = [entry["result"].get(quantity, empty) for entry in results]
    return np.array(values).reshape(1 + len(settings["distances"]), len(settings["norms"]), -1)
