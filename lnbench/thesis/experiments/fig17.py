"""Flips from buckets of adversarial path length, class 9 to 0, against random flips (thesis §4.10.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lnbench.thesis import impact, pictures
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import AGREES, DISAGREES, UNDECIDED, Verdict, above, interval, valley

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, 9 → 0: adversarial accuracy against the flips' distance from the decision boundary"
THESIS = "§4.10.3, figure 17"
QUICK = {**pictures.SIZES, "splits": 8, "flips": 5, "buckets": 6, "randoms": 3, "epsilon": 0.05, "pgd_steps": 20}
FULL = {**QUICK, "train": 60000, "test": 1000, "splits": 8, "flips": 60, "steps": 14000, "epsilon": 0.1}
CHOICES = (
    *pictures.CHOICES,
    pictures.ATTACK,
    "{flips} flips 9 → 0. A clean network's path lengths (steps of .01) between their 5 % and 95 % quantiles "
    "are cut into "
    "{buckets} ranges of equal width, as in the thesis; a range with fewer points than flips takes the nearest others. "
    "{randoms} random sets a split.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return pictures.cells(settings)


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Path lengths on a clean network, then one network per bucket and per random set."""
    data = pictures.load(cell)
    source = data.of(9)
    clean = pictures.trained(cell, data, data.labels)
    steps = pictures.lengths(clean, data.inputs[source], np.zeros(len(source), np.int64), targeted=True)
    near, inside = impact.ranges(steps, cell["buckets"], cell["flips"], data.rng)
    sets = [source[index] for index in near]
    sets += [data.rng.choice(source, cell["flips"], replace=False) for _ in range(cell["randoms"])]
    labels = np.stack([data.labels, *(data.flipped(index, 0) for index in sets)])
    victims = pictures.trained(cell, data, labels, report)
    aa = pictures.adversarial_accuracy(cell, victims, data.test_of(9), 0)
    return {
        "clean": aa[0],
        "buckets": aa[1 : cell["buckets"] + 1],
        "random": aa[cell["buckets"] + 1 :],
        "memorised": pictures.memorised(cell, victims, data.inputs, labels, [np.zeros(1, np.int64), *sets])[1:],
        "inside": inside,
        "lengths": steps.tolist(),
    }


def verdicts(settings: Settings, found: Results) -> list[Verdict]:
    """The shape, the place of its minimum, and buckets against random."""
    results = [f["result"] for f in found]
    aa = 100 * np.array([r["buckets"] for r in results]).T
    random = 100 * np.array([np.mean(r["random"]) for r in results])
    inside = np.array([r["inside"] for r in results])
    most = inside.argmax(1)
    chosen = aa[most, np.arange(len(results))]
    rest = np.array([np.delete(aa[:, i], m).mean() for i, m in enumerate(most)])
    mean, low, high = interval(chosen - aa.min(0))
    memorised = [m for r in results for m in r["memorised"]]
    return [
        valley(
            "The closer the poisons are to the boundary, the lower their impact; beyond a point it falls again.",
            "AA over buckets 1 (nearest) to last",
            range(1, len(aa) + 1),
            aa,
        ),
        above(
            "The nearest poisons do less than random ones.",
            "AA, nearest bucket minus random",
            aa[0] - random,
        ),
        above(
            "The minimum is where most of the class lies.",
            "AA, mean of the other buckets minus the fullest bucket",
            rest - chosen,
        ),
        Verdict(
            "Random flips are about as good as the fullest bucket, which is why they are hard to beat.",
            _like(random - chosen),
            (
                "AA, random minus fullest bucket: {:+.1f} pp [{:+.1f}, {:+.1f}]".format(*interval(random - chosen))
                + f"; the fullest bucket is {mean:.1f} pp [{low:.1f}, {high:.1f}] above each split's lowest"
            ).replace("-", "−"),
            n=len(results),
        ),
        Verdict(
            "The flips are memorised.",
            AGREES if np.mean(memorised) >= 0.95 else DISAGREES,
            f"{100 * np.mean(memorised):.1f} % of the flips",
            n=len(memorised),
        ),
    ]


def draw(settings: Settings, found: Results) -> Figure:
    """AA per bucket with the random band, above where the class lies."""
    from lnbench.thesis import drawing

    figure, ((left, right),) = drawing.panels(2, width=3.7, height=3.0)
    x = range(1, settings["buckets"] + 1)
    aa = np.array([f["result"]["buckets"] for f in found]).T
    for split in aa.T:
        left.plot(x, split, color=drawing.POISONED, alpha=0.18, linewidth=0.8)
    drawing.curve(left, x, aa.tolist(), drawing.POISONED, "flips from one bucket")
    runs = [r for f in found for r in f["result"]["random"]]
    drawing.level(
        left, [float(np.mean(f["result"]["random"])) for f in found], drawing.RANDOM, f"random ({len(runs)} runs)"
    )
    drawing.level(left, [f["result"]["clean"] for f in found], drawing.CLEAN, "clean")
    left.set(xlabel="bucket: nearest to farthest from the boundary", ylabel="AA (9 → 0)", title="(a) Impact")
    drawing.percent(left)
    figure.legend(loc="outside lower center", ncols=3)
    inside = np.array([f["result"]["inside"] for f in found], dtype=float).T
    drawing.bars(
        right, x, (inside / [len(f["result"]["lengths"]) for f in found]).tolist(), drawing.GREY, "share of the nines"
    )
    right.set(
        xlabel="bucket: nearest to farthest from the boundary",
        ylabel="share of class 9",
        title="(b) Where the class lies",
    )
    drawing.percent(right, 0.0, 0.5)
    return figure


def _like(difference: np.ndarray) -> str:
    _, low, high = interval(difference)
    return AGREES if -5 < low and high < 5 else DISAGREES if low > 5 or high < -5 else UNDECIDED
