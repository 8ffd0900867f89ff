"""From replicates to a verdict: a claim agrees with the numbers, disagrees, or is undecided, by its 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from scipy import stats

AGREES, DISAGREES, UNDECIDED = "agrees", "disagrees", "undecided"


@dataclass(frozen=True)
class Verdict:
    """What the numbers say about one claim of the thesis.

    Attributes:
        claim: the claim, as the thesis makes it.
        verdict: `agrees`, `disagrees` or `undecided`.
        evidence: the quantity that decided, with its interval, in words.
        estimate, low, high: the same as numbers; None where the evidence is no single number.
        n: replicates the interval is over.
    """

    claim: str
    verdict: str
    evidence: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0

    def document(self) -> dict[str, Any]:
        """The verdict as JSON."""
        return asdict(self)


def interval(values: Sequence[float] | np.ndarray, tests: int = 1) -> tuple[float, float, float]:
    """Mean and 95 % Student interval over replicates; (mean, -inf, inf) for fewer than two.

    Args:
        tests: how many such intervals are to hold at once (Bonferroni).
    """
    x = np.asarray(values, dtype=float)
    mean = float(x.mean()) if len(x) else math.nan
    if len(x) < 2:
        return mean, -math.inf, math.inf
    half = float(stats.t.ppf(1 - 0.025 / tests, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)))
    return mean, mean - half, mean + half


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a probability from a count."""
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(stats.beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(stats.beta.ppf(1 - tail, successes + 1, trials - successes))
    return low, high


def above(
    claim: str,
    what: str,
    values: Sequence[float] | np.ndarray,
    *,
    limit: float = 0.0,
    unit: str = "pp",
    tests: int = 1,
) -> Verdict:
    """The claim is that the mean lies above `limit`: agrees if its whole interval does, disagrees if none of it does.

    Args:
        what: the quantity's name, for the evidence.
        values: one per replicate, in `unit`.
        tests: how many such intervals are to hold at once.
    """
    mean, low, high = interval(values, tests)
    verdict = AGREES if low > limit else DISAGREES if high < limit else UNDECIDED
    against = f", against {limit:g}" if limit else ""
    return _made(claim, verdict, what, mean, low, high, len(values), unit, against + _corrected(tests))


def within(
    claim: str,
    what: str,
    values: Sequence[float] | np.ndarray,
    *,
    margin: float,
    unit: str = "pp",
    tests: int = 1,
) -> Verdict:
    """The claim is that the mean is as good as zero.

    Agrees if its interval lies inside ±`margin`, disagrees if it lies outside.

    Args:
        tests: how many such intervals are to hold at once.
    """
    mean, low, high = interval(values, tests)
    verdict = AGREES if -margin < low and high < margin else DISAGREES if low > margin or high < -margin else UNDECIDED
    against = f", against ±{margin:g}" + _corrected(tests)
    return _made(claim, verdict, what, mean, low, high, len(values), unit, against)


def valley(claim: str, what: str, x: Sequence[float], samples: np.ndarray, tests: int = 1) -> Verdict:
    """The claim is that a curve falls and then rises again.

    The place of the minimum is found on one half of the replicates and used on the other, and the other way round, so
    that the choice does not flatter the claim. Agrees if both the fall from the first x and the rise to the last are
    above zero by their intervals; disagrees if one of them is not above zero at all.

    Args:
        samples: (x, replicate), in percentage points.
        tests: how many such intervals are to hold at once.
    """
    down, up, where = _turn(x, samples, tests)
    verdict = AGREES if min(down[1], up[1]) > 0 else DISAGREES if min(down[2], up[2]) <= 0 else UNDECIDED
    evidence = _shape(what, down, up, where, samples.shape[1]) + _corrected(tests)
    return Verdict(claim, verdict, evidence, n=samples.shape[1])


def falling(claim: str, what: str, x: Sequence[float], samples: np.ndarray, *, margin: float) -> Verdict:
    """The claim is that a curve falls all the way.

    As in `valley` the minimum is found on other replicates than those it is used on. Agrees if the fall from the first
    x is above zero and the rise to the last is below `margin`, by their intervals; disagrees if the fall is not above
    zero at all or the rise is above zero.

    Args:
        samples: (x, replicate), in percentage points.
        margin: the rise that would be too small to speak of, in percentage points.
    """
    down, up, where = _turn(x, samples)
    verdict = DISAGREES if down[2] <= 0 or up[1] > 0 else AGREES if down[1] > 0 and up[2] < margin else UNDECIDED
    evidence = f"{_shape(what, down, up, where, samples.shape[1])}, against a rise of {margin:g}"
    return Verdict(claim, verdict, evidence, n=samples.shape[1])


def spread(claim: str, what: str, samples: np.ndarray, *, margin: float, tests: int = 1) -> Verdict:
    """The claim is that the levels of something make a difference.

    Two-way analysis of variance, level × replicate: agrees if the F test of the levels is below 5 % over `tests`,
    disagrees if the upper 97.5 % limit of the standard deviation between levels is below `margin`.

    Args:
        samples: (level, replicate), in percentage points.
    """
    levels, replicates = samples.shape
    mean = samples.mean(1)
    rest = samples - mean[:, None] - samples.mean(0) + samples.mean()
    free = (levels - 1) * (replicates - 1)
    noise = float((rest**2).sum()) / free if free else 0.0
    if noise < 1e-9:
        return Verdict(claim, UNDECIDED, f"{what}: no noise to compare the differences with", n=replicates)
    ratio = replicates * float(mean.var(ddof=1)) / noise
    p = float(stats.f.sf(ratio, levels - 1, free))
    at = [1.0, *(float(stats.f.ppf(share, levels - 1, free)) for share in (0.975, 0.025))]
    between, *limits = (math.sqrt(max(noise / replicates * (ratio / f - 1), 0.0)) for f in at)
    verdict = AGREES if p < 0.05 / tests else DISAGREES if limits[1] < margin else UNDECIDED
    evidence = (
        f"{what}: standard deviation between {levels} levels {between:.1f} pp [{limits[0]:.1f}, {limits[1]:.1f}], of "
        f"the noise {math.sqrt(noise):.1f} pp; F({levels - 1}, {free}) = {ratio:.2f}, p = {p:.2g}, {replicates} "
        f"replicates{_corrected(tests)}"
    )
    return Verdict(claim, verdict, evidence, between, limits[0], limits[1], replicates)


def negated(verdict: Verdict, claim: str) -> Verdict:
    """The verdict on the opposite claim, by the same evidence."""
    opposite = {AGREES: DISAGREES, DISAGREES: AGREES, UNDECIDED: UNDECIDED}
    return replace(verdict, claim=claim, verdict=opposite[verdict.verdict])


def frequency(claim: str, what: str, successes: int, trials: int, probability: float) -> Verdict:
    """The claim is that an event has this probability: agrees if the 99 % Clopper–Pearson interval holds it."""
    low, high = clopper_pearson(successes, trials, 0.99)
    verdict = AGREES if low <= probability <= high else DISAGREES
    share = successes / trials
    evidence = (
        f"{what}: {share:.4f}, 99 % interval [{low:.4f}, {high:.4f}] over {trials} trials; exact {probability:.4f}"
    )
    return Verdict(claim, verdict, evidence, share, low, high, trials)


def always(claim: str, what: str, failures: int, trials: int) -> Verdict:
    """The claim is that something never fails; one failure refutes it."""
    low, high = clopper_pearson(failures, trials)
    verdict = DISAGREES if failures else AGREES if trials else UNDECIDED
    evidence = f"{what}: {failures} failures in {trials} trials (rate at most {high:.4f})"
    return Verdict(claim, verdict, evidence, failures / trials if trials else None, low, high, trials)


def _made(
    claim: str, verdict: str, what: str, mean: float, low: float, high: float, n: int, unit: str, against: str
) -> Verdict:
    if not math.isfinite(low):
        return Verdict(claim, UNDECIDED, f"{what}: {n} replicates, too few for an interval", n=n)
    shown = f"{mean:+.2f} {unit}".rstrip() + f" [{low:+.2f}, {high:+.2f}]{against}, {n} replicates"
    return Verdict(claim, verdict, f"{what}: {shown}".replace("-", "−"), mean, low, high, n)


def _corrected(tests: int) -> str:
    return f" for {tests} tests at once" if tests > 1 else ""


_Interval = tuple[float, float, float]


def _turn(x: Sequence[float], samples: np.ndarray, tests: int = 1) -> tuple[_Interval, _Interval, str]:
    """Intervals of the fall to the minimum and of the rise after it, and where it is, found on the other half."""
    halves = np.arange(samples.shape[1]) % 2
    fall, rise, places = np.zeros(samples.shape[1]), np.zeros(samples.shape[1]), []
    for half in (0, 1):
        lowest = int(samples[:, halves != half].mean(1).argmin())
        places.append(f"{x[lowest]:g}")
        fall[halves == half] = (samples[0] - samples[lowest])[halves == half]
        rise[halves == half] = (samples[-1] - samples[lowest])[halves == half]
    return interval(fall, tests), interval(rise, tests), " or ".join(sorted(set(places), key=float))


def _shape(what: str, down: _Interval, up: _Interval, where: str, replicates: int) -> str:
    return (
        f"{what}: falls by {down[0]:.1f} pp [{down[1]:.1f}, {down[2]:.1f}] to its minimum at {where}, rises by "
        f"{up[0]:.1f} pp [{up[1]:.1f}, {up[2]:.1f}] after it, {replicates} replicates"
    ).replace("-", "−")
