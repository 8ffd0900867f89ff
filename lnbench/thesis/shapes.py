"""Claims about the shape of a curve: that it falls and rises again, falls all the way, or is lowest at some place.

The place of a minimum is chosen on one half of the replicates for the other, and the other way round, so that the
choice does not favour the claim.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lnbench.thesis.plan import Plan
from lnbench.thesis.verdicts import AGREES, DISAGREES, UNDECIDED, Verdict, at_once, interval, spread_of, with_plan

_Interval = tuple[float, float, float]


def valley(
    claim: str, what: str, x: Sequence[float], samples: np.ndarray, tests: int = 1, plan: Plan | None = None
) -> Verdict:
    """The claim is that a curve falls and then rises again.

    Half of the replicates choose the place of the minimum for the other half, and the other way round, so that the
    choice does not favour the claim. Agrees if the fall from the first x and the rise to the last are both above zero
    by their intervals; disagrees if the interval of one of them does not reach above zero.

    Args:
        what: the name of the curve, for the evidence.
        x: places, ascending.
        samples: (x, replicate), in percentage points.
        tests: how many such intervals are to hold at once (Bonferroni).
        plan: of the fall or of the rise, whichever varies more.
    """
    fall, rise, where = _turn(x, samples)
    down, up = interval(fall, tests), interval(rise, tests)
    verdict = AGREES if min(down[1], up[1]) > 0 else DISAGREES if min(down[2], up[2]) <= 0 else UNDECIDED
    evidence = _shape(what, down, up, where, samples.shape[1]) + at_once(tests)
    return with_plan(Verdict(claim, verdict, evidence, n=samples.shape[1]), plan, _wider(fall, rise))


def falling(
    claim: str, what: str, x: Sequence[float], samples: np.ndarray, *, margin: float, plan: Plan | None = None
) -> Verdict:
    """The claim is that a curve falls all the way.

    The place of the minimum is chosen as in `valley`. Agrees if, by their intervals, the fall from the first x is above
    zero and the rise to the last is below `margin`; disagrees if the interval of the fall does not reach above zero, or
    that of the rise lies above zero.

    Args:
        what, x, samples, plan: as for `valley`.
        margin: the largest rise that counts as none, in percentage points.
    """
    fall, rise, where = _turn(x, samples)
    down, up = interval(fall), interval(rise)
    verdict = DISAGREES if down[2] <= 0 or up[1] > 0 else AGREES if down[1] > 0 and up[2] < margin else UNDECIDED
    evidence = f"{_shape(what, down, up, where, samples.shape[1])}, against a rise of {margin:g}"
    return with_plan(Verdict(claim, verdict, evidence, n=samples.shape[1]), plan, _wider(fall, rise))


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
    replicates, others = samples.shape[1], len(x) - 1
    fullest, least = int(full.mean(1).argmax()), int(samples.mean(1).argmin())
    lead = np.delete(samples - samples[fullest], fullest, 0)
    rival = int(lead.mean(1).argmin())
    agrees = all(interval(values)[1] > 0 for values in lead)
    disagrees = any(interval(values, others)[2] < 0 for values in lead)
    verdict = AGREES if agrees else DISAGREES if disagrees else UNDECIDED
    mean, low, high = interval(lead[rival])
    own = int((samples.argmin(0) == full.argmax(0)).sum())
    evidence = (
        f"{what}: the mean is lowest at {x[least]:g}, {x[fullest]:g} is the fullest; lowest of the others minus the "
        f"fullest: {mean:+.1f} pp [{low:+.1f}, {high:+.1f}]; the two are the same in {own} of {replicates} splits"
    ).replace("-", "−")
    made = Verdict(claim, verdict, evidence, mean, low, high, replicates)
    return with_plan(made, plan, max(spread_of(values) for values in lead))


def _turn(x: Sequence[float], samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, str]:
    """The fall to the minimum and the rise after it, each (replicate,); and its places, chosen on the other half."""
    halves = np.arange(samples.shape[1]) % 2
    fall, rise, places = np.zeros(samples.shape[1]), np.zeros(samples.shape[1]), []
    for half in (0, 1):
        lowest = int(samples[:, halves != half].mean(1).argmin())
        places.append(f"{x[lowest]:g}")
        fall[halves == half] = (samples[0] - samples[lowest])[halves == half]
        rise[halves == half] = (samples[-1] - samples[lowest])[halves == half]
    return fall, rise, " or ".join(sorted(set(places), key=float))


def _wider(fall: np.ndarray, rise: np.ndarray) -> float:
    return max(spread_of(fall), spread_of(rise))


def _shape(what: str, down: _Interval, up: _Interval, where: str, replicates: int) -> str:
    return (
        f"{what}: falls by {down[0]:.1f} pp [{down[1]:.1f}, {down[2]:.1f}] to its minimum at {where}, rises by "
        f"{up[0]:.1f} pp [{up[1]:.1f}, {up[2]:.1f}] after it, {replicates} replicates"
    ).replace("-", "−")
