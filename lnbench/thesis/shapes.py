"""Claims about the shape of a curve: that it falls and rises again, falls all the way, or is lowest at some place.

`lnbench.thesis.shape_tests` has the tests.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lnbench.thesis import shape_tests
from lnbench.thesis.plan import Plan
from lnbench.thesis.verdicts import AGREES, DISAGREES, UNDECIDED, Verdict, at_once, interval, spread_of, with_plan


def valley(
    claim: str,
    what: str,
    x: Sequence[float],
    samples: np.ndarray,
    tests: int = 1,
    plan: Plan | None = None,
    *,
    margin: float = 0.0,
    seen: int = 0,
) -> Verdict:
    """The claim is that a curve falls and then rises again.

    Half of the replicates choose the place of the minimum for the other half, and the other way round, so that the
    choice does not favour the claim. Agrees if the fall from the first x and the rise to the last are both above zero
    by their intervals, however small; else it disagrees if at every place inside the fall to it or the rise after it is
    shown to be no more than `margin`. With a margin of 0 only a curve that does not turn can be shown to be no valley.

    Args:
        what: the name of the curve, for the evidence.
        x: places, ascending, at least three.
        samples: (x, replicate), in percentage points.
        tests: how many such intervals are to hold at once (Bonferroni).
        plan: of the fall and the rise.
        margin: the largest fall and rise that count as none, in percentage points.
        seen: if the first replicates have left the claim undecided, how many these were. They choose the place of the
            minimum, and all else is by the others alone.
    """
    turned = shape_tests.turn_again(samples, seen) if seen else shape_tests.turn(samples)
    samples = samples[:, seen:]
    limit = float(shape_tests.deepest(samples, tests))
    down, up = interval(turned.fall, tests), interval(turned.rise, tests)
    agrees = bool(shape_tests.turns(turned, tests))
    verdict = AGREES if agrees else DISAGREES if limit <= margin else UNDECIDED
    where = " or ".join(f"{x[place]:g}" for place in sorted({int(place) for place in turned.places}))
    against = f", against {margin:g}" if margin else ""
    replicates = f"replicates after the {seen} that chose it" if seen else "replicates"
    evidence = (
        f"{what}: falls by {_shown(down)} to its minimum at {where}, rises by {_shown(up)} after it, "
        f"{samples.shape[1]} {replicates}; nowhere both by more than {limit:.1f} pp{against}{at_once(tests)}"
    ).replace("-", "−")
    made = Verdict(claim, verdict, evidence, n=samples.shape[1])
    return with_plan(made, plan, max(spread_of(turned.fall), spread_of(turned.rise)))


def falling(
    claim: str, what: str, x: Sequence[float], samples: np.ndarray, *, margin: float, plan: Plan | None = None
) -> Verdict:
    """The claim is that a curve falls all the way.

    Agrees if the last place is below the first by its interval, and no place above an earlier one by as much as
    `margin`, each by its own interval; disagrees if the fall is not above zero by its interval, or if one place is
    above an earlier one by more than `margin`, by its interval for all pairs at once.

    Args:
        what, x, samples: as for `valley`.
        margin: the largest rise that counts as none, in percentage points.
        plan: of the fall; its σ is that of the difference of two places that varies most.
    """
    fall, ups = samples[0] - samples[-1], shape_tests.rises(samples)
    down = interval(fall)
    worst = int(np.argmax([interval(up)[2] for up in ups]))
    agrees = bool(shape_tests.is_falling(samples, margin))
    rises = any(interval(up, len(ups))[1] > margin for up in ups)
    verdict = AGREES if agrees else DISAGREES if down[2] <= 0 or rises else UNDECIDED
    low, high = (x[place] for place in shape_tests.pairs(len(x))[worst])
    _, all_low, all_high = interval(ups[worst], len(ups))
    evidence = (
        f"{what}: falls by {_shown(down)} from the first to the last; the rise that may be largest, from {low:g} to "
        f"{high:g}, is {_shown(interval(ups[worst]))}, and for all {len(ups)} pairs at once "
        f"[{all_low:.1f}, {all_high:.1f}], against {margin:g}, {samples.shape[1]} replicates"
    ).replace("-", "−")
    made = Verdict(claim, verdict, evidence, n=samples.shape[1])
    return with_plan(made, plan, max(spread_of(up) for up in ups))


def lowest(
    claim: str, what: str, x: Sequence[float], samples: np.ndarray, full: np.ndarray, plan: Plan | None = None
) -> Verdict:
    """The claim is that a curve has its minimum at the place where most points lie.

    Every other place is compared with the fullest one, over replicates. Agrees if all of them are higher by their
    intervals; disagrees if one of them is lower by its interval for all of them at once; else undecided.

    Args:
        what: the name of the curve, for the evidence.
        x: names of the places.
        samples: (x, replicate), in percentage points.
        full: (x, replicate), points at each place.
        plan: of the difference of two places.
    """
    replicates, fullest = samples.shape[1], int(full.mean(1).argmax())
    own = int((samples.argmin(0) == full.argmax(0)).sum())
    names = (
        f", {x[fullest]:g} is the fullest",
        "the fullest",
        f"; the two are the same in {own} of {replicates} splits",
    )
    return _lowest(claim, what, x, samples, fullest, names, plan)


def lowest_at(claim: str, what: str, x: Sequence[float], samples: np.ndarray, place: int) -> Verdict:
    """The claim is that a curve has its minimum at a place that is known beforehand; decided as by `lowest`.

    Args:
        what, x, samples: as for `lowest`.
        place: index of the place.
    """
    names = ("", f"that at {x[place]:g}", f", {samples.shape[1]} replicates")
    return _lowest(claim, what, x, samples, place, names, None)


def _lowest(
    claim: str,
    what: str,
    x: Sequence[float],
    samples: np.ndarray,
    place: int,
    names: tuple[str, str, str],
    plan: Plan | None,
) -> Verdict:
    """The verdict on a minimum at one place.

    Args:
        names: for the evidence: a remark on the place, its name, and what follows at the end.
    """
    others, least = len(x) - 1, int(samples.mean(1).argmin())
    lead = np.delete(samples - samples[place], place, 0)
    rival = int(lead.mean(1).argmin())
    agrees = bool(shape_tests.is_lowest(samples, place))
    disagrees = any(interval(values, others)[2] < 0 for values in lead)
    verdict = AGREES if agrees else DISAGREES if disagrees else UNDECIDED
    mean, low, high = interval(lead[rival])
    remark, name, end = names
    evidence = (
        f"{what}: the mean is lowest at {x[least]:g}{remark}; lowest of the others minus {name}: "
        f"{mean:+.1f} pp [{low:+.1f}, {high:+.1f}]{end}"
    ).replace("-", "−")
    made = Verdict(claim, verdict, evidence, mean, low, high, samples.shape[1])
    return with_plan(made, plan, max(spread_of(values) for values in lead))


def _shown(ends: tuple[float, float, float]) -> str:
    return f"{ends[0]:.1f} pp [{ends[1]:.1f}, {ends[2]:.1f}]"
