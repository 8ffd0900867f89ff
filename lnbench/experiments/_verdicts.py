"""From replicates to a verdict: a claim agrees with the numbers, disagrees, or is undecided, by its 95 % interval."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
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


def interval(values: Sequence[float] | np.ndarray) -> tuple[float, float, float]:
    """Mean and 95 % Student interval over replicates; (mean, -inf, inf) for fewer than two."""
    x = np.asarray(values, dtype=float)
    mean = float(x.mean()) if len(x) else math.nan
    if len(x) < 2:
        return mean, -math.inf, math.inf
    half = float(stats.t.ppf(0.975, len(x) - 1) * x.std(ddof=1) / math.sqrt(len(x)))
    return mean, mean - half, mean + half


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a probability from a count."""
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(stats.beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(stats.beta.ppf(1 - tail, successes + 1, trials - successes))
    return low, high


def above(
    claim: str, what: str, values: Sequence[float] | np.ndarray, *, limit: float = 0.0, unit: str = "pp"
) -> Verdict:
    """The claim is that the mean lies above `limit`: agrees if its whole interval does, disagrees if none of it does.

    Args:
        what: the quantity's name, for the evidence.
        values: one per replicate, in `unit`.
    """
    mean, low, high = interval(values)
    verdict = AGREES if low > limit else DISAGREES if high < limit else UNDECIDED
    return _made(claim, verdict, what, mean, low, high, len(values), unit, f", against {limit:g}" if limit else "")


def within(claim: str, what: str, values: Sequence[float] | np.ndarray, *, margin: float, unit: str = "pp") -> Verdict:
    """The claim is that the mean is as good as zero.

    Agrees if its interval lies inside ±`margin`, disagrees if it lies outside.
    """
    mean, low, high = interval(values)
    verdict = AGREES if -margin < low and high < margin else DISAGREES if low > margin or high < -margin else UNDECIDED
    return _made(claim, verdict, what, mean, low, high, len(values), unit, f", against ±{margin:g}")


def valley(claim: str, what: str, x: Sequence[float], samples: np.ndarray) -> Verdict:
    """The claim is that a curve falls and then rises again.

    The place of the minimum is found on one half of the replicates and used on the other, and the other way round, so
    that the choice does not flatter the claim. Agrees if both the fall from the first x and the rise to the last are
    above zero by their intervals; disagrees if one of them is not above zero at all.

    Args:
        samples: (x, replicate), in percentage points.
    """
    halves = np.arange(samples.shape[1]) % 2
    fall, rise, places = np.zeros(samples.shape[1]), np.zeros(samples.shape[1]), []
    for half in (0, 1):
        lowest = int(samples[:, halves != half].mean(1).argmin())
        places.append(f"{x[lowest]:g}")
        fall[halves == half] = (samples[0] - samples[lowest])[halves == half]
        rise[halves == half] = (samples[-1] - samples[lowest])[halves == half]
    down, up = interval(fall), interval(rise)
    verdict = AGREES if min(down[1], up[1]) > 0 else DISAGREES if min(down[2], up[2]) <= 0 else UNDECIDED
    where = " or ".join(sorted(set(places), key=float))
    evidence = (
        f"{what}: falls by {down[0]:.1f} pp [{down[1]:.1f}, {down[2]:.1f}] to its minimum at {where}, rises by "
        f"{up[0]:.1f} pp [{up[1]:.1f}, {up[2]:.1f}] after it, {samples.shape[1]} replicates"
    ).replace("-", "−")
    return Verdict(claim, verdict, evidence, n=samples.shape[1])


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
