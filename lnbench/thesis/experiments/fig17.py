"""Flips from ranges of adversarial path length, class 9 to 0, against random flips (thesis §4.10.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lnbench.thesis import drawing, flip_set_results, flip_sets, images, networks
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.verdicts import Verdict, above, interval, memorised, practically_zero, valley

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, 9 → 0: adversarial accuracy over the distance of the flips from the decision boundary"
THESIS = "§4.10.3, figure 17"
QUICK = {**images.QUICK, "splits": 8, "flips": 5, "buckets": 6, "randoms": 3, "epsilon": 0.05, "pgd_steps": 20}
FULL = {**QUICK, **images.FULL, "test": 1000, "flips": 60, "epsilon": 0.1}
CHOICES = (
    *images.CHOICES,
    images.TARGETED,
    "{flips} flips 9 → 0. As in the thesis the path lengths on a clean network (steps of .01), between their 5 % and "
    "95 % quantiles, are cut into {buckets} buckets of equal width. A bucket with fewer points than flips takes the "
    "points nearest to it, too. {randoms} random sets a split.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return images.cells(settings)


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Path lengths on a clean network; then one network per bucket and per random set."""
    sample = images.load_mnist(cell)
    nines = sample.of_class(9)
    clean = networks.train(cell, sample, sample.labels)
    steps = networks.boundary_steps(clean, sample.inputs[nines], np.zeros(len(nines), np.int64), targeted=True)
    buckets, inside = flip_sets.width_buckets(steps, cell["buckets"], cell["flips"], sample.rng)
    groups = {
        "buckets": [nines[index] for index in buckets],
        "random": flip_sets.random_sets([nines], cell["flips"], cell["randoms"], sample.rng),
    }
    result = flip_sets.measure(cell, sample, groups, (9, 0), report)
    return {
        "clean": result["clean"],
        **result["aa"],
        "memorised": [share for group in groups for share in result["memorised"][group]],
        "inside": inside,
        "lengths": steps.tolist(),
    }


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """The shape of the curve, the place of its minimum, and buckets against random flips."""
    results = _by_group(results)
    aa, random = flip_set_results.aa(results, "buckets"), flip_set_results.random_aa(results)
    fullest, others = flip_set_results.fullest_bucket(results, aa)
    lead, low, high = interval(random - fullest)
    over, over_low, over_high = interval(fullest - aa.min(0))
    return [
        valley(
            "The closer the flips are to the boundary, the lower their impact; beyond some distance it falls again.",
            "AA over buckets 1 (nearest) to last",
            range(1, len(aa) + 1),
            aa,
        ),
        above("The nearest flips do less than random ones.", "AA, nearest bucket minus random", aa[0] - random),
        above(
            "The minimum is where most of the class lies.",
            "AA, mean of the other buckets minus the fullest bucket",
            others - fullest,
        ),
        Verdict(
            "Random flips are about as good as those of the fullest bucket, so they are hard to beat.",
            practically_zero(low, high, 5),
            (
                f"AA, random minus fullest bucket: {lead:+.1f} pp [{low:+.1f}, {high:+.1f}]; the fullest bucket is "
                f"{over:.1f} pp [{over_low:.1f}, {over_high:.1f}] above the lowest of each split"
            ).replace("-", "−"),
            n=len(results),
        ),
        memorised({"all": 100 * collect(results, "memorised")}),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Adversarial accuracy per bucket, beside the share of the class in it."""
    figure, ((left, right),) = drawing.panels(2, width=3.7, height=3.0)
    x = "bucket: nearest to farthest from the boundary"
    groups = _by_group(results)
    flip_set_results.plot(left, flip_set_results.aa(groups, "buckets"), groups, "(a) Impact", x, "AA (9 → 0)")
    figure.legend(loc="outside lower center", ncols=3)
    nines = [len(entry["result"]["lengths"]) for entry in results]
    shares = (collect(results, "inside").T / nines).tolist()
    drawing.bars(right, range(1, len(shares) + 1), shares, drawing.GREY, "share of the nines")
    right.set(xlabel=x, ylabel="share of class 9", title="(b) Where the class lies")
    drawing.percent(right, 0.0, 0.5)
    return figure


def _by_group(results: Results) -> Results:
    """The results with `aa` by group, as in those of `flip_sets.measure`."""
    return [{**entry, "result": {**entry["result"], "aa": entry["result"]}} for entry in results]
