"""Flips picked on class graphs, in four spaces, all classes to the next one (thesis §4.1.1–4.1.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.decomposition import PCA

from lnbench import graphs
from lnbench.thesis import impact, panel, pictures
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import Verdict, above, interval, within

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, all classes to the next: flips picked on class graphs in four spaces, against random flips"
THESIS = "§4.1.1–4.1.4"
QUICK = {
    **pictures.SIZES,
    "splits": 12,
    "per_class": 3,
    "randoms": 4,
    "epsilon": 0.03,
    "pgd_steps": 20,
    "gamma": 0.1,
    "dims": 16,
    "test": 40,
    "margin": 1.0,
}
FULL = {**QUICK, "train": 60000, "test": 200, "splits": 8, "per_class": 30, "steps": 14000, "epsilon": 0.1}
CHOICES = (
    *pictures.CHOICES,
    "{per_class} flips in every class, to the next class (9 → 0), also at random; {randoms} random sets a split. AA of "
    "all classes together, untargeted: PGD, ℓ∞, ε = {epsilon}, {pgd_steps} sign steps of 2.5·ε/m in the pixels' box; "
    "broken if any iterate is misclassified.",
    "Class graphs in ℓ2 with γ the {gamma} quantile of the pair distances within a class. Greedy: the points of "
    "highest degree. Coverage: greedy maximum coverage of closed neighbourhoods, on the same graph. (The thesis's "
    "Algorithms 2 and 3 are template text.)",
    "Spaces: the inputs; {dims} principal components; a clean network's penultimate features; and greedy on inputs and "
    "features at once: of the 2b of highest degree in each, those in both, filled up by the sum of ranks.",
    "Seven strategies are compared: every interval is for seven tests at once (Bonferroni). “Inconclusive” agrees if "
    "the strategy is within ±{margin} pp of random.",
    "CIFAR-10, which the thesis tried too, is `graphs-cifar10`.",
)
_SPACES = {"input": "inputs", "pca": "PCA", "features": "features"}
_RULES = {"greedy": graphs.high_degree, "coverage": graphs.coverage}
_NAMES = {
    **{f"{space}-{rule}": f"{name}, {rule}" for space, name in _SPACES.items() for rule in _RULES},
    "both-greedy": "inputs and features",
}


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return pictures.cells(settings)


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Pick in every space by both rules, then one network per strategy and per random set."""
    return compared(cell, pictures.load(cell), report)


def compared(cell: dict[str, Any], data: pictures.Pictures, report: Callable[[float], None]) -> dict[str, Any]:
    """The same on any data of ten classes."""
    count = cell["per_class"]
    picks: dict[str, list[np.ndarray]] = {name: [] for name in _NAMES}
    spaces = _spaces(cell, data)
    for c in range(10):
        own = data.of(c)
        made = {}
        for space, points in spaces.items():
            graph = made[space] = graphs.class_graph(points[own], graphs.radius(points[own], cell["gamma"]))
            for rule, pick in _RULES.items():
                picks[f"{space}-{rule}"].append(own[pick(graph, count, data.rng)])
        picks["both-greedy"].append(own[_in_both(made["input"], made["features"], count, data.rng)])
    groups = {name: [np.concatenate(parts)] for name, parts in picks.items()}
    groups["random"] = [
        np.concatenate([data.rng.choice(data.of(c), min(count, len(data.of(c))), replace=False) for c in range(10)])
        for _ in range(cell["randoms"])
    ]
    found = impact.impact(cell, data, groups, (data.labels + 1) % 10, report)
    shared = {s: _common(picks[f"{s}-greedy"], picks[f"{s}-coverage"]) for s in _SPACES}
    return {**found, "shared": shared}


def verdicts(settings: Settings, found: Results) -> list[Verdict]:
    """Each strategy against random, and the overlap of the two rules."""
    random, tests = panel.baseline(found), len(_NAMES)
    verdicts = []
    for group, name in _NAMES.items():
        difference = panel.points(found, group)[0] - random
        if group.startswith("input"):
            claim = f"Class graphs on {name}: strictly inferior to random flips (the network is more robust)."
            verdicts.append(above(claim, "AA, picked minus random", difference, tests=tests))
        else:
            claim = f"Class graphs on {name}: neither better nor worse than random flips."
            margin = settings["margin"]
            verdicts.append(within(claim, "AA, picked minus random", difference, margin=margin, tests=tests))
    shared = [100 * f["result"]["shared"]["input"] for f in found]
    claim = "For small budgets the second algorithm selects almost the same points as the greedy one."
    what = "share of the greedy picks that coverage picks too, on the inputs"
    return [*verdicts, above(claim, what, shared, limit=80.0, unit="%"), panel.memorised(found)]


def draw(settings: Settings, found: Results) -> Figure:
    """Every strategy against random, and the overlap in each space."""
    from lnbench.thesis import drawing

    figure, ((left, right),) = drawing.panels(2, width=3.9, height=3.2, width_ratios=[2.2, 1])
    random, tests = panel.baseline(found), len(_NAMES)
    for y, group in enumerate(reversed(_NAMES)):
        values = panel.points(found, group)[0] - random
        mean, low, high = interval(values, tests)
        colour = drawing.POISONED if high < 0 else drawing.CLEAN if low > 0 else drawing.GREY
        left.plot(values, np.full(len(values), y), ".", color=colour, alpha=0.25)
        left.errorbar([mean], [y], xerr=[[mean - low], [high - mean]], fmt="o", color=colour, capsize=3)
    left.axvline(0, color="black", linewidth=0.9)
    left.set_yticks(range(tests), list(reversed(_NAMES.values())))
    left.set(xlabel="AA, picked minus random, pp (95 % intervals for all seven)", title="(a) Impact")
    spaces = list(_SPACES)
    shared = [[f["result"]["shared"][space] for f in found] for space in spaces]
    drawing.bars(right, range(len(spaces)), shared, drawing.THIRD, "shared")
    right.set_xticks(range(len(spaces)), list(_SPACES.values()))
    right.set(title="(b) Overlap", ylabel="greedy picks that coverage picks too", xlim=(-0.5, len(spaces) - 0.5))
    drawing.percent(right)
    return figure


def _spaces(cell: dict[str, Any], data: pictures.Pictures) -> dict[str, np.ndarray]:
    """Every training point in each space, (n, d)."""
    flat = data.inputs.reshape(len(data.inputs), -1).astype(np.float64)
    clean = pictures.trained(cell, data, data.labels)
    dims = min(cell["dims"], *flat.shape)
    return {
        "input": flat,
        "pca": PCA(dims, svd_solver="covariance_eigh").fit_transform(flat),
        "features": pictures.features(cell, clean, data.inputs),
    }


def _in_both(first: Any, second: Any, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` nodes among the 2·count of highest degree in both graphs, then by the sum of their ranks."""
    ranks = np.empty((2, first.number_of_nodes()), dtype=np.int64)
    for row, graph in zip(ranks, (first, second), strict=True):
        row[graphs.high_degree(graph, len(row), rng)] = np.arange(len(row))
    both = (ranks < 2 * count).all(0)
    return np.lexsort((ranks.sum(0), ~both))[:count]


def _common(some: list[np.ndarray], others: list[np.ndarray]) -> float:
    """Share of some picks that are among the others."""
    first, second = np.concatenate(some), np.concatenate(others)
    return float(np.isin(first, second).mean())
