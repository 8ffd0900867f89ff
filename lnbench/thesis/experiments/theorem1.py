"""Theorem 1 by Monte Carlo on the line: how often every ball holds a wrong label, and what follows if it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lnbench.thesis import drawing, theorems
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.nearest_neighbour import PiecewiseLine, certified_radii
from lnbench.thesis.verdicts import AGREES, DISAGREES, Verdict, always, clopper_pearson

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "With n draws every ball holds a wrong label, and then the mass of all balls is vulnerable"
THESIS = "§3.1, theorem 1"
QUICK = {"trials": 2000, "risks": 150, "delta": 0.1, "rho": 0.1, "eta": 0.1, "shares": [0.1, 0.3, 0.5, 0.75, 1.0, 1.5]}
FULL = {**QUICK, "trials": 20000, "risks": 2000}
CHOICES = (
    "Labels are wrong with probability η (the theorem says the reverse; its proof uses this).",
    "The Lipschitz condition as printed would make C constant; instead C gives a wrong label on an open τ-ball about "
    "it.",
    "On the line, three balls of radius ρ = {rho} hold mass .3 each, and .1 lies between them; c₁ = c₂ = .9, η = "
    "{eta}, δ = {delta}.",
    "C is one-nearest-neighbour, whose τ is exactly half the distance to the nearest training point of another label. "
    "Risks are exact integrals.",
    "{trials} trials for the event at each n, {risks} for the risk.",
)
_CENTRES = (0.15, 0.5, 0.85)
_C1 = 0.9


def cells(settings: Settings) -> list[dict[str, Any]]:
    """The event at several n, and at the n of the theorem as printed; the risk with the event and without it."""
    size = theorems.sample_size(3, settings["eta"], _C1, settings["delta"])
    events = [{"n": max(1, round(share * size)), "wrong": settings["eta"]} for share in settings["shares"]]
    misread = {"n": theorems.sample_size(3, 1 - settings["eta"], _C1, settings["delta"]), "wrong": settings["eta"]}
    every = [{"kind": "event", "trials": settings["trials"], **e} for e in [*events, misread]]
    chunk = 500
    risks = [
        {"kind": kind, "n": n, "wrong": settings["eta"], "trials": min(chunk, settings["risks"]), "seed": seed}
        for kind, n in (("risk", size), ("missed", size // 3))
        for seed in range(-(-settings["risks"] // chunk))
    ]
    return [{"seed": 0, "rho": settings["rho"], **cell} for cell in every + risks]


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Trials of one kind.

    `event` counts how often the event happens. `risk` takes, if it happens, the critical radius as a share of 2ρ − τ;
    `missed` takes it, if the event does not happen, as a share of 2ρ, the most that the theorem can ask for.
    """
    kind = cell["kind"]
    rng = np.random.default_rng([cell["seed"], cell["n"], ("event", "risk", "missed").index(kind)])
    line = _line(cell["rho"])
    hits, ratios = 0, list[float]()
    for trial in range(cell["trials"]):
        if kind != "event" and trial % 25 == 0:
            report(trial / cell["trials"])
        points, labels, wrong = line.sample(cell["n"], cell["wrong"], rng)
        inside = np.abs(points[:, None] - np.array(_CENTRES)) <= cell["rho"]
        hit = bool((inside & wrong[:, None]).any(0).all())
        hits += hit
        if kind == "risk" and hit:
            radii = certified_radii(points, labels)
            tau = min(radii[inside[:, ball] & wrong].max() for ball in range(len(_CENTRES)))
            enough = theorems.attack_radius(cell["rho"], float(tau))
            ratios.append(line.critical_radius(points, labels, _C1) / enough if enough else 0.0)
        elif kind == "missed" and not hit:
            ratios.append(line.critical_radius(points, labels, _C1) / theorems.attack_radius(cell["rho"], 0.0))
    return {"hits": hits, "ratios": ratios}


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """The frequency of the event, the implication, and controls that must fail."""
    events = [entry for entry in results if entry["cell"]["kind"] == "event"]
    ratios = {
        k: [r for entry in results if entry["cell"]["kind"] == k for r in entry["result"]["ratios"]]
        for k in ("risk", "missed")
    }
    at_size = events[settings["shares"].index(1.0)]
    starved, misread = events[0], events[-1]
    delta = settings["delta"]
    low, high = clopper_pearson(at_size["result"]["hits"], at_size["cell"]["trials"], 0.99)
    exact = _exact(at_size["cell"])
    frequency = at_size["result"]["hits"] / at_size["cell"]["trials"]
    return [
        Verdict(
            "For n ≥ (|ζ|/(ηc₂))·ln(|ζ|/δ) every ball holds a wrong label with probability at least 1 − δ.",
            AGREES if low <= exact <= high and exact >= 1 - delta else DISAGREES,
            f"n = {at_size['cell']['n']}: frequency {frequency:.4f}, 99 % interval [{low:.4f}, {high:.4f}]; exactly "
            f"{exact:.4f}, needed {1 - delta:g}",
            frequency,
            low,
            high,
            at_size["cell"]["trials"],
        ),
        always(
            "If every ball holds one, R_Adv^r ≥ c₁ for all r > max(0, 2ρ − τ).",
            "critical radius above 2ρ − τ",
            sum(r > 1 + 1e-6 for r in ratios["risk"]),
            len(ratios["risk"]),
        ),
        _control("half the radius is not enough", sum(r > 0.5 for r in ratios["risk"]), len(ratios["risk"])),
        _control(
            "if some ball holds no wrong label, not even r = 2ρ is enough",
            sum(r > 1 + 1e-6 for r in ratios["missed"]),
            len(ratios["missed"]),
        ),
        _too_rare("a tenth of the draws is too few", starved, delta),
        _too_rare(
            "if labels are right with probability η = .9, as the theorem says, n(.9) is too small", misread, delta
        ),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """The frequency of the event against n, and the critical radii as shares of 2ρ − τ."""
    figure, ((left, right),) = drawing.panels(2)
    events = [entry for entry in results if entry["cell"]["kind"] == "event"][: len(settings["shares"])]
    ns = np.arange(1, 1.1 * events[-1]["cell"]["n"])
    exact = [theorems.all_hit([0.3] * 3, settings["eta"], int(n)) for n in ns]
    left.plot(ns, exact, color=drawing.THIRD, label="exact (inclusion–exclusion)")
    for i, event in enumerate(events):
        trials, hits = event["cell"]["trials"], event["result"]["hits"]
        low, high = clopper_pearson(hits, trials)
        share = hits / trials
        ends = [[share - low], [high - share]]
        label = "trials, 95 % interval" if i == 0 else None
        left.errorbar([event["cell"]["n"]], [share], yerr=ends, fmt="o", capsize=2.5, color="black", label=label)
    size = theorems.sample_size(3, settings["eta"], _C1, settings["delta"])
    left.axvline(size, color=drawing.POISONED, linestyle="--", linewidth=1.2)
    left.axhline(
        1 - settings["delta"], color=drawing.POISONED, linestyle="--", linewidth=1.2, label="the theorem: n, 1 − δ"
    )
    left.set(xlabel="training points n", ylabel="P(every ball holds a wrong label)", title="(a) The event")
    drawing.percent(left)
    left.legend(loc="lower right")
    ratios = [r for entry in results if entry["cell"]["kind"] == "risk" for r in entry["result"]["ratios"]]
    right.hist(ratios, bins=np.linspace(0, 1.1, 45), color=drawing.THIRD, alpha=0.8)
    right.axvline(1, color=drawing.POISONED, linestyle="--", linewidth=1.2, label="the theorem")
    right.set(
        xlabel="smallest r with risk ≥ c₁, as a share of 2ρ − τ",
        ylabel="trials",
        title="(b) The implication, 1-nearest-neighbour",
    )
    right.legend(loc="center right")
    return figure


def _line(rho: float) -> PiecewiseLine:
    """Three balls of mass .3 with .1 between them; the true labels are 0, 1, 0."""
    a, b, c = _CENTRES
    edges = [a - rho, a + rho, (a + b) / 2, b - rho, b + rho, (b + c) / 2, c - rho, c + rho]
    masses = [0.3, 0.025, 0.025, 0.3, 0.025, 0.025, 0.3]
    return PiecewiseLine(np.array(edges), np.array(masses), np.array([0, 0, 1, 1, 1, 0, 0]))


def _exact(cell: dict[str, Any]) -> float:
    return theorems.all_hit([0.3] * 3, cell["wrong"], cell["n"])


def _control(what: str, failures: int, trials: int) -> Verdict:
    verdict = AGREES if failures else DISAGREES
    return Verdict(
        f"Control: {what}.", verdict, f"fails in {failures} of {trials} trials; it must fail in some", n=trials
    )


def _too_rare(what: str, event: Any, delta: float) -> Verdict:
    hits, trials = event["result"]["hits"], event["cell"]["trials"]
    low, high = clopper_pearson(hits, trials, 0.99)
    evidence = f"n = {event['cell']['n']}: frequency {hits / trials:.4f} [{low:.4f}, {high:.4f}], needed {1 - delta:g}"
    return Verdict(
        f"Control: {what}.", AGREES if high < 1 - delta else DISAGREES, evidence, hits / trials, low, high, trials
    )
