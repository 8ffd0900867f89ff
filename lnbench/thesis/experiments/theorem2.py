"""Theorem 2 by Monte Carlo on the line: the probability of its event, what follows from it, and how small it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lnbench.thesis import drawing, theorems
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.nearest_neighbour import PiecewiseLine
from lnbench.thesis.verdicts import AGREES, DISAGREES, Verdict, always, clopper_pearson

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "Isolated wrong labels: the event, its closed-form bound, and where that bound is vacuous"
THESIS = "§3.2, theorem 2"
QUICK = {"trials": 3000, "eta": 0.8, "c_in": 0.5, "c_ceil": 0.6, "balls": [1, 2, 3], "n": [3, 4, 6, 8, 10]}
FULL = {**QUICK, "trials": 40000}
CHOICES = (
    "The theorem is restated with pairwise disjoint outer balls, n ≥ |ζ|, and labels that are wrong with probability "
    "η.",
    "The thesis leaves the proof out. Ours goes through an event: every inner ball holds exactly one draw, with a "
    "wrong label, and no other draw lies in an outer ball.",
    "On the line there are |ζ| balls with R = 2r, inner mass c_in = {c_in} and outer mass c_ceil = c_total = {c_ceil} "
    "in all. η = {eta} is large so that the event happens often enough to be counted.",
    "C is one-nearest-neighbour, which gives a wrong label up to half the distance to the nearest training point of "
    "another label, so τ = (R − r)/2.",
    "{trials} trials for each |ζ| and n.",
)
_TABLE = (1, 2, 3, 4, 5, 6, 8)
"""|ζ| for which the largest values of the bound are listed."""


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One for every number of balls and of draws."""
    shared = {key: settings[key] for key in ("trials", "eta", "c_in", "c_ceil")}
    return [{**shared, "balls": k, "n": n} for k in settings["balls"] for n in settings["n"] if n >= k]


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Count the event; whenever it happens, take the critical radius as a share of R + r − τ."""
    k, n = cell["balls"], cell["n"]
    rng, line = np.random.default_rng([k, n]), _line(k, cell["c_in"], cell["c_ceil"])
    centres, inner, outer = _places(k)
    enough = theorems.isolated_radius(outer, inner, (outer - inner) / 2)
    hits, ratios = 0, list[float]()
    for trial in range(cell["trials"]):
        if trial % 100 == 0:
            report(trial / cell["trials"])
        points, labels, wrong = line.sample(n, cell["eta"], rng)
        far = np.abs(points[:, None] - centres)
        inside, near = far <= inner, far <= outer
        if (near.sum(0) == 1).all() and (inside & wrong[:, None]).any(0).all():
            hits += 1
            if n > k and len(ratios) < 200:  # with no other label anywhere, one-nearest-neighbour is constant
                ratios.append(line.critical_radius(points, labels, cell["c_ceil"]) / enough)
    return {"hits": hits, "ratios": ratios}


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """The probability of the event, the implication, the closed form, its size, and the missing condition."""
    tail = 1 - 0.01 / len(results)
    missed = []
    for entry in results:
        low, high = clopper_pearson(entry["result"]["hits"], entry["cell"]["trials"], tail)
        if not low <= _exact(entry["cell"]) <= high:
            missed.append(f"|ζ| = {entry['cell']['balls']}, n = {entry['cell']['n']}")
    ratios = [r for entry in results for r in entry["result"]["ratios"]]
    most = max(_closed(entry["cell"]) / _exact(entry["cell"]) for entry in results)
    vacuous = theorems.best_isolated_bound(5, 1.0, 5)
    printed = theorems.overlapping_bound(20, 1000)
    return [
        Verdict(
            "Not in the thesis: the event has probability n!/(n−k)!·(ηc_in/k)^k·(1−c_ceil)^{n−k} (exactly, for these "
            "masses).",
            DISAGREES if missed else AGREES,
            f"inside the joint 99 % Clopper–Pearson limits for {len(results) - len(missed)} of {len(results)} pairs "
            f"(|ζ|, n)" + (f"; not for {', '.join(missed)}" if missed else ""),
            n=len(results),
        ),
        always(
            "Not in the thesis: if the event happens, R_Adv ≥ c_total for every radius above R + r − τ.",
            "critical radius above R + r − τ",
            sum(r > 1 + 1e-6 for r in ratios),
            len(ratios),
        ),
        Verdict(
            "The closed form with √(2π|ζ|) bounds the probability of R_Adv ≥ c_total from below.",
            AGREES if most <= 1 else DISAGREES,
            f"closed form / exact probability of the event at most {most:.3f} over {len(results)} pairs (|ζ|, n)",
            n=len(results),
        ),
        Verdict(
            "Not in the thesis: the bound says something about many poisons.",
            DISAGREES if vacuous < 0.05 else AGREES,
            "largest value over all n, masses and η: "
            + ", ".join(f"|ζ| = {k}: {theorems.best_isolated_bound(k, 1.0, k):.2g}" for k in _TABLE)
            + "; for n → ∞: "
            + ", ".join(f"{theorems.best_isolated_bound(k, 1.0):.2g}" for k in _TABLE),
        ),
        Verdict(
            "As printed, without disjoint outer balls, the theorem holds: its right-hand side is at most 1.",
            DISAGREES if printed > 1 else AGREES,
            f"20 copies of one ball of mass .02, n = 1000, η = 1: {printed:.3g}",
        ),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Exact, counted and bounded probabilities of the event, and the largest values of the bound."""
    figure, ((left, right),) = drawing.panels(2)
    colours = (drawing.THIRD, drawing.POISONED, drawing.CLEAN)
    for k, colour in zip(settings["balls"], colours, strict=False):
        some = [entry for entry in results if entry["cell"]["balls"] == k]
        ns = [entry["cell"]["n"] for entry in some]
        shares = np.array([entry["result"]["hits"] / entry["cell"]["trials"] for entry in some])
        ends = np.array([clopper_pearson(entry["result"]["hits"], entry["cell"]["trials"]) for entry in some]).T
        left.plot(ns, [_exact(entry["cell"]) for entry in some], color=colour, label=f"|ζ| = {k}")
        left.plot(ns, [_closed(entry["cell"]) for entry in some], color=colour, linestyle=":", linewidth=1.4)
        left.errorbar(ns, shares, yerr=np.abs(ends - shares), fmt="o", color=colour, capsize=2.5)
    left.plot([], [], color=drawing.GREY, label="exact")
    left.plot([], [], color=drawing.GREY, linestyle=":", label="closed form")
    left.errorbar([], [], yerr=[], fmt="o", color=drawing.GREY, label="counted, 95 % interval")
    left.set(xlabel="training points n", ylabel="P(event)", yscale="log", ylim=(1e-4, 0.5), title="(a) The event")
    left.legend(loc="lower left", fontsize=7.5, ncols=2)
    for n, label, colour in (
        (0, "n = |ζ| (its best)", colours[0]),
        (10, "n = 10", colours[1]),
        (None, "n → ∞", colours[2]),
    ):
        values = [theorems.best_isolated_bound(k, 1.0, max(n, k) if n is not None else None) for k in _TABLE]
        right.plot(_TABLE, values, color=colour, marker="o", label=label)
    right.axhline(0.05, color=drawing.GREY, linestyle="--", linewidth=1, label=".05")
    right.set(xlabel="balls |ζ|", ylabel="largest value of the bound, η = 1", yscale="log", title="(b) Vacuity")
    right.legend(loc="upper right")
    return figure


def _places(balls: int) -> tuple[np.ndarray, float, float]:
    """Centres, r and R on [0, 1]: outer balls take half the line, disjoint."""
    outer = 1 / (4 * balls)
    return (np.arange(balls) + 0.5) / balls, outer / 2, outer


def _line(balls: int, c_in: float, c_ceil: float) -> PiecewiseLine:
    centres, inner, outer = _places(balls)
    edges, masses, classes = [0.0], [], []
    gap = (1 - c_ceil) / (2 * balls)
    for i, centre in enumerate(centres):
        edges += [centre - outer, centre - inner, centre + inner, centre + outer, (i + 1) / balls]
        ring = (c_ceil - c_in) / (2 * balls)
        masses += [gap, ring, c_in / balls, ring, gap]
        classes += [i % 2] * 5
    return PiecewiseLine(np.array(edges), np.array(masses), np.array(classes))


def _exact(cell: dict[str, Any]) -> float:
    return theorems.isolated_probability(cell["balls"], cell["n"], cell["eta"], cell["c_in"], cell["c_ceil"])


def _closed(cell: dict[str, Any]) -> float:
    return theorems.isolated_bound(cell["balls"], cell["n"], cell["eta"], cell["c_in"], cell["c_ceil"])
