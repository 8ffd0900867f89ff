"""Read and plot the results of `flip_sets.measure`; not there, so that a change here leaves stored results valid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lnbench.thesis import drawing, epsilon
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.verdicts import VOID, Memorisation, Verdict, above, enough, memorised, resting, shortfall

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def aa_curves(results: Results, group: str) -> np.ndarray:
    """Adversarial accuracy with the sets of a group at every radius, in percent, (epsilon, set, split)."""
    values = 100 * collect(results, "aa", group)
    curves: np.ndarray = (values if values.ndim == 3 else values[..., None]).T
    return curves


def clean_curve(results: Results) -> np.ndarray:
    """Adversarial accuracy of the clean victim at every radius, in percent, (epsilon, split)."""
    values = 100 * collect(results, "clean")
    curve: np.ndarray = (values if values.ndim == 2 else values[:, None]).T
    return curve


def random_curve(results: Results) -> np.ndarray:
    """Adversarial accuracy with random flips at every radius, mean over the sets of each split, (epsilon, split).

    If there are no sets of `random` flips, all sets are.
    """
    groups = results[0]["result"]["aa"]
    means: np.ndarray = np.concatenate(
        [aa_curves(results, group) for group in (["random"] if "random" in groups else groups)], 1
    ).mean(1)
    return means


def radius(results: Results) -> int:
    """Index of the radius that the rule takes; see `epsilon`."""
    return epsilon.chosen(clean_curve(results), random_curve(results))


def aa(results: Results, group: str) -> np.ndarray:
    """Adversarial accuracy with the sets of a group at the radius of the rule, in percent, (set, split)."""
    values: np.ndarray = aa_curves(results, group)[radius(results)]
    return values


def random_aa(results: Results) -> np.ndarray:
    """Adversarial accuracy with random flips at the radius of the rule, in percent, (split,)."""
    values: np.ndarray = random_curve(results)[radius(results)]
    return values


def clean_aa(results: Results) -> np.ndarray:
    """Adversarial accuracy of the clean victim at the radius of the rule, in percent, (split,)."""
    values: np.ndarray = clean_curve(results)[radius(results)]
    return values


def against_random(settings: Settings, results: Results, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Verdicts that compare flips with random ones, void unless random ones do anything; and whether they do."""
    taken = epsilon.taken(settings, clean_curve(results), random_curve(results))
    fall = above(
        "Control: random flips lower the adversarial accuracy.",
        f"{taken}: AA, clean minus random flips",
        clean_aa(results) - random_aa(results),
    )
    return resting(fall, verdicts, "random flips do not measurably lower AA, so nothing can be better or worse")


def memorised_shares(results: Results) -> dict[str, np.ndarray]:
    """Group -> share of the flips memorised, in percent, (split, set)."""
    return {group: 100 * collect(results, "memorised", group) for group in results[0]["result"]["memorised"]}


def memorisation(results: Results, *, needed: str | None = None, spared: Sequence[str] = ()) -> Memorisation:
    """Whether the flips of every group are memorised.

    Args:
        needed, spared: as for `verdicts.memorised`.
    """
    return memorised(memorised_shares(results), needed=needed, spared=spared)


def each_memorised(
    results: Results,
    group: str,
    verdicts: Sequence[Verdict],
    what: str = "",
    draws: int = 1,
    *,
    only: int | None = None,
) -> list[Verdict]:
    """Verdicts on the sets of a group; void unless the flips of every one of these sets are memorised.

    In a group's mean the sets that are easy to memorise make up for one that is not, whose higher adversarial accuracy
    would then look like an effect of where its flips are.

    Args:
        group: its sets are the same in every split.
        what: what a set is called, such as `bucket`; if empty, the group has one.
        draws: consecutive sets that count as one.
        only: the one set that the verdicts are about; all of them if None.
    """
    shares = memorised_shares(results)[group].mean(0).reshape(-1, draws).mean(1)
    least = int(shares.argmin()) if only is None else range(len(shares))[only]
    if enough(float(shares[least])):
        return list(verdicts)
    of = f"{what} {least + 1}" if what else group
    why = f"only {shortfall(float(shares[least]))} of the flips of {of} were memorised"
    return [Verdict(verdict.claim, VOID, why) for verdict in verdicts]


def fullest_bucket(results: Results, bucket_aa: np.ndarray) -> np.ndarray:
    """Adversarial accuracy with the bucket of the most points, in percent, (split,).

    Args:
        bucket_aa: (bucket, split).
    """
    fullest = collect(results, "inside").argmax(1)
    values: np.ndarray = bucket_aa[fullest, np.arange(len(fullest))]
    return values


def plot(axes: Axes, bucket_aa: np.ndarray, results: Results, title: str, x: str, y: str) -> None:
    """Plot adversarial accuracy over buckets, with one faint line a split, beside random flips and the clean victim.

    Args:
        bucket_aa: (bucket, split), in percent.
        title, x, y: of the axes.
    """
    places = range(1, len(bucket_aa) + 1)
    for split in bucket_aa.T / 100:
        axes.plot(places, split, color=drawing.POISONED, alpha=0.18, linewidth=0.8)
    drawing.curve(axes, places, (bucket_aa / 100).tolist(), drawing.POISONED, "flips from one bucket")
    runs = aa_curves(results, "random")[0].size
    drawing.level(axes, (random_aa(results) / 100).tolist(), drawing.RANDOM, f"random flips ({runs} runs)")
    drawing.level(axes, (clean_aa(results) / 100).tolist(), drawing.CLEAN, "clean")
    axes.set(title=title, xlabel=x, ylabel=y, xticks=list(places))
    drawing.percent(axes)


def plot_radii(axes: Axes, settings: Settings, results: Results, title: str) -> None:
    """Plot adversarial accuracy of clean networks and with random flips over all radii, and mark that of the rule."""
    radii = epsilon.radii(settings["epsilon"])
    drawing.curve(axes, radii, (clean_curve(results) / 100).tolist(), drawing.CLEAN, "_clean")
    drawing.curve(axes, radii, (random_curve(results) / 100).tolist(), drawing.RANDOM, "_random")
    axes.axvline(epsilon.at(settings, radius(results)), color="black", linewidth=0.9, linestyle=":")
    axes.axhline(epsilon.AIM / 100, color=drawing.GREY, linewidth=0.7)
    axes.set(title=title, xlabel="ε (ℓ∞); dotted: that of the rule", ylabel="AA")
    drawing.percent(axes)
