"""The colouring trick: one network that memorises colours stands in for one network per flip (thesis §4.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.stats import spearmanr

from lnbench import graphs
from lnbench.adversary import pgd
from lnbench.protocol.recipe import Recipe
from lnbench.thesis import impact, panel, pictures
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import AGREES, DISAGREES, Verdict, above
from lnbench.victims import architecture, train

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, 5 → 6: flips by the scores of the minimum-colouring trick, against random flips"
THESIS = "§4.8"
QUICK = {
    **pictures.SIZES,
    "splits": 12,
    "flips": 5,
    "randoms": 4,
    "epsilon": 0.075,
    "pgd_steps": 20,
    "gamma": 0.05,
    "networks": 4,
}
FULL = {**QUICK, "train": 60000, "test": 892, "splits": 8, "flips": 60, "steps": 14000, "gamma": 0.002}
CHOICES = (
    *pictures.CHOICES,
    pictures.ATTACK,
    "{flips} flips 5 → 6; {randoms} random sets a split.",
    "Class 5's graph in ℓ2 with γ the {gamma} quantile of its pair distances (the thesis: ℓ∞, in which it is empty or "
    "complete), coloured greedily so that neighbours and second neighbours differ.",
    "{networks} networks of the same shape learn the colours of the fives alone; a point's score is how many of its "
    "neighbours the attack, as above, brings to its colour, summed over the networks. The highest scores are flipped, "
    "ties at random.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return pictures.cells(settings)


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Colour, memorise, score; then one network for the flips of the highest scores and per random set."""
    data = pictures.load(cell)
    source = data.of(5)
    points = torch.from_numpy(data.inputs[source])
    graph = graphs.class_graph(data.inputs[source], graphs.radius(data.inputs[source], cell["gamma"]))
    colours = torch.from_numpy(graphs.distance_two_colours(graph, data.rng))
    networks = train(
        architecture("mlp", {"width": cell["width"], "depth": cell["depth"]}),
        Recipe(steps=cell["steps"], batch=cell["batch"], learning_rate=cell["rate"]),
        points,
        colours.repeat(cell["networks"], 1),
        init=[data.seed + 2 * i for i in range(cell["networks"])],
        order=[data.seed + 2 * i + 1 for i in range(cell["networks"])],
        num_classes=int(colours.max()) + 1,
    )
    edges = np.array([pair for i, j in graph.edges for pair in ((i, j), (j, i))], dtype=np.int64).reshape(-1, 2)
    start, end = torch.from_numpy(edges).T
    radius, steps = [cell["epsilon"]], cell["pgd_steps"]
    reached = pgd(networks, points[start], colours[end], targeted=True, epsilons=radius, steps=steps).broken[:, 0]
    scores = np.zeros(len(source))
    np.add.at(scores, edges[:, 1], reached.sum(0).numpy())
    groups = {
        "coloring": [source[graphs.by_score(scores, cell["flips"], data.rng)]],
        "random": [data.rng.choice(source, cell["flips"], replace=False) for _ in range(cell["randoms"])],
    }
    found = impact.impact(cell, data, groups, (5, 6), report)
    return {
        **found,
        "learnt": float(networks.predict(points).eq(colours).float().mean()),
        "colours": int(colours.max()) + 1,
        "scores": scores.tolist(),
        "degrees": graphs.degrees(graph).tolist(),
    }


def verdicts(settings: Settings, found: Results) -> list[Verdict]:
    """Against random, and what the scores are."""
    results = [f["result"] for f in found]
    learnt = [100 * r["learnt"] for r in results]
    ranks = [float(spearmanr(r["scores"], r["degrees"]).statistic) for r in results]
    return [
        above(
            "Random flips still perform better than those of the highest scores.",
            "AA, highest scores minus random",
            panel.points(found, "coloring")[0] - panel.baseline(found),
        ),
        Verdict(
            "The network memorises the colours.",
            AGREES if np.mean(learnt) >= 95 else DISAGREES,
            f"{np.mean(learnt):.1f} % of the fives have their colour; {np.mean([r['colours'] for r in results]):.0f} "
            "colours on average",
            n=len(results),
        ),
        above(
            "Not in the thesis: the scores are little but the degrees in the class graph.",
            "Spearman's correlation of score and degree",
            [rank for rank in ranks if np.isfinite(rank)],
            limit=0.8,
            unit="",
        ),
        panel.memorised(found),
    ]


def draw(settings: Settings, found: Results) -> Figure:
    """The arms by split, and scores against degrees."""
    from lnbench.thesis import drawing

    figure, ((left, right),) = drawing.panels(2, width=3.7, height=3.0)
    arms = {
        "clean": (100 * np.array([f["result"]["clean"] for f in found]), drawing.CLEAN),
        "random": (panel.baseline(found), drawing.RANDOM),
        "highest scores": (panel.points(found, "coloring")[0], drawing.POISONED),
    }
    for split in np.array([values for values, _ in arms.values()]).T / 100:
        left.plot(range(3), split, color=drawing.GREY, alpha=0.3, linewidth=0.8)
    for x, (name, (values, colour)) in enumerate(arms.items()):
        drawing.bars(left, [x], [(values / 100).tolist()], colour, name)
    left.set_xticks(range(3), list(arms))
    left.set(title=f"(a) {len(found)} splits", ylabel="AA (5 → 6)", xlim=(-0.4, 2.4))
    drawing.percent(left)
    degrees, scores = (np.concatenate([f["result"][k] for f in found]) for k in ("degrees", "scores"))
    jitter = np.random.default_rng(0).uniform(-0.25, 0.25, len(degrees))
    right.plot(degrees + jitter, scores, ".", color=drawing.THIRD, alpha=0.25, markersize=3)
    right.plot([0, degrees.max()], [0, settings["networks"] * degrees.max()], color="black", linewidth=1, linestyle=":")
    right.annotate("all neighbours reached", (0.03, 0.93), xycoords="axes fraction", fontsize=8)
    right.set(title="(b) Every five", xlabel="neighbours in the class graph", ylabel="score")
    return figure
