"""The colouring trick: one network that memorises colours stands for one network per flip (thesis §4.8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.stats import spearmanr

from lnbench import graphs
from lnbench.adversary import pgd
from lnbench.thesis import drawing, epsilon, flip_set_results, flip_sets, images, networks
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.plan import Plan
from lnbench.thesis.verdicts import AGREES, DISAGREES, Verdict, above, resting
from lnbench.victims import train

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, 5 → 6: flips by the score of the minimum-colouring trick, against random flips"
THESIS = "§4.8"
QUICK = {
    **images.QUICK,
    "splits": 12,
    "flips": 5,
    "randoms": 4,
    "epsilon": 0.075,
    "pgd_steps": 20,
    "gamma": 0.05,
    "networks": 4,
}
FULL = {**QUICK, **images.FULL, "test": 892, "flips": 60, "gamma": 0.002, "splits": 32, "epsilon": epsilon.GRID}
PLAN = {"random": Plan(4, 4.7, "coloring quick")}
CHOICES = (
    *images.CHOICES,
    images.TARGETED,
    epsilon.RULE,
    "{flips} flips 5 → 6; {randoms} random sets a split.",
    "The graph of class 5 is in ℓ2, with γ the {gamma} quantile of its pair distances (the thesis uses ℓ∞, in which "
    "the graph is empty or complete). It is coloured greedily so that neighbours and second neighbours differ.",
    "{networks} networks of the same shape learn the colours of the fives only. The score of a point is the number of "
    "its neighbours that the attack above brings to its colour (at the ε in the middle; of an even number, the "
    "larger), summed over the networks. The points with the highest scores are flipped; ties are broken at random. At "
    "full size the network stays an MLP.",
    "Scores and degrees are compared over the points that have a neighbour. (At first it was over all; the others, "
    "with neither score nor degree, made the correlation .74 at level quick.)",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return images.cells(settings)


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Colour the fives, learn and attack the colours, score; then one network for the flips and per random set."""
    sample = images.load_mnist(cell)
    source = sample.of_class(5)
    points = torch.from_numpy(sample.inputs[source])
    graph = graphs.class_graph(sample.inputs[source], graphs.radius(sample.inputs[source], cell["gamma"]))
    colours = torch.from_numpy(graphs.distance_two_colours(graph, sample.rng))
    colourers = train(
        networks.architecture_of(cell),
        networks.recipe_of(cell),
        points,
        colours.repeat(cell["networks"], 1),
        init=[sample.seed + 2 * i for i in range(cell["networks"])],
        order=[sample.seed + 2 * i + 1 for i in range(cell["networks"])],
        num_classes=int(colours.max()) + 1,
    )
    edges = np.array([pair for i, j in graph.edges for pair in ((i, j), (j, i))], dtype=np.int64).reshape(-1, 2)
    start, end = torch.from_numpy(edges).T
    radii, steps = epsilon.radii(cell["epsilon"]), cell["pgd_steps"]
    middle = radii[len(radii) // 2 :][:1]
    reached = pgd(colourers, points[start], colours[end], targeted=True, epsilons=middle, steps=steps).broken[:, 0]
    scores = np.zeros(len(source))
    np.add.at(scores, edges[:, 1], reached.sum(0).numpy())
    groups = {
        "coloring": [source[graphs.by_score(scores, cell["flips"], sample.rng)]],
        "random": flip_sets.random_sets([source], cell["flips"], cell["randoms"], sample.rng),
    }
    degrees = graphs.degrees(graph)
    learnt, joined = colourers.predict(points).eq(colours).numpy(), degrees > 0
    shown = {"scores": scores.tolist(), "degrees": degrees.tolist()} if cell["split"] == 0 else {}
    return {
        **flip_sets.measure(cell, sample, groups, (5, 6), report),
        "learnt": float(learnt[:, joined].mean()),
        "colours": int(colours.max()) + 1,
        "joined": float(joined.mean()),
        "correlation": _correlation(scores[joined], degrees[joined]),
        **shown,
    }


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """The highest scores against random flips, and what the scores amount to."""
    learnt = 100 * collect(results, "learnt")
    random = above(
        "Random flips are still better than those of the highest scores.",
        "AA, highest scores minus random",
        flip_set_results.aa(results, "coloring")[0] - flip_set_results.random_aa(results),
        plan=PLAN["random"],
    )
    learns, degrees = (
        "Control: the network memorises the colours.",
        "Not in the thesis: the scores are hardly more than the degrees in the class graph.",
    )
    colours = Verdict(
        learns,
        AGREES if learnt.mean() >= 95 else DISAGREES,
        f"{learnt.mean():.1f} % of the fives with a neighbour get their colour; "
        f"{collect(results, 'colours').mean():.0f} colours on average",
        n=len(results),
    )
    rested, _ = resting(colours, [random], "the networks do not know the colours, so that the scores mean nothing")
    return [
        *flip_set_results.against_random(settings, results, [rested]),
        colours,
        above(
            degrees,
            f"Spearman's correlation of score and degree, over the fives with a neighbour "
            f"({100 * collect(results, 'joined').mean():.0f} % of all)",
            [entry["result"]["correlation"] for entry in results if entry["result"]["correlation"] is not None],
            limit=0.8,
            unit="",
        ),
        flip_set_results.memorisation(results, spared=(learns, degrees)),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Adversarial accuracy by split, scores against degrees, and adversarial accuracy over the radius."""
    radii = len(epsilon.radii(settings["epsilon"])) > 1
    figure, ((left, right, *rest),) = drawing.panels(2 + radii, width=3.5, height=3.0)
    if radii:
        flip_set_results.plot_radii(rest[0], settings, results, "(c) The choice of ε")
    arms = {
        "clean": (flip_set_results.clean_aa(results), drawing.CLEAN),
        "random": (flip_set_results.random_aa(results), drawing.RANDOM),
        "highest scores": (flip_set_results.aa(results, "coloring")[0], drawing.POISONED),
    }
    for split in np.array([values for values, _ in arms.values()]).T / 100:
        left.plot(range(3), split, color=drawing.GREY, alpha=0.3, linewidth=0.8)
    for x, (name, (values, colour)) in enumerate(arms.items()):
        drawing.bars(left, [x], [(values / 100).tolist()], colour, name)
    left.set_xticks(range(3), list(arms))
    left.set(title=f"(a) {len(results)} splits", ylabel="AA (5 → 6)", xlim=(-0.4, 2.4))
    drawing.percent(left)
    degrees, scores = (np.array(results[0]["result"][name]) for name in ("degrees", "scores"))
    jitter = np.random.default_rng(0).uniform(-0.25, 0.25, len(degrees))
    right.plot(degrees + jitter, scores, ".", color=drawing.THIRD, alpha=0.25, markersize=3, rasterized=True)
    right.plot([0, degrees.max()], [0, settings["networks"] * degrees.max()], color="black", linewidth=1, linestyle=":")
    right.annotate("all neighbours reached", (0.03, 0.93), xycoords="axes fraction", fontsize=8)
    right.set(title="(b) Every five of the first split", xlabel="neighbours in the class graph", ylabel="score")
    return figure


def _correlation(some: np.ndarray, others: np.ndarray) -> float | None:
    """Spearman's; None if one of the two does not vary."""
    varies = len(some) > 1 and np.ptp(some) > 0 and np.ptp(others) > 0
    return float(spearmanr(some, others).statistic) if varies else None
