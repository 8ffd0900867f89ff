"""From replicates to a verdict: by its 95 % interval the numbers agree with a claim, disagree, or leave it undecided.

A claim about flips is void if the victims did not memorise the flips. A claim that the thesis does not make begins with
one of `BEYOND`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from scipy import stats

from lnbench.thesis.intervals import limits
from lnbench.thesis.plan import Plan

AGREES, DISAGREES, UNDECIDED, VOID = "agrees", "disagrees", "undecided", "void"

MEMORISED = 95.0
"""Percent of the flips that have to be memorised, or every other claim about them is void."""

BEYOND = ("Not in the thesis", "Control")
"""How claims begin that are ours. The page lists them apart."""


@dataclass(frozen=True)
class Verdict:
    """What the numbers say about one claim.

    Attributes:
        claim: the claim, as the thesis makes it; or one of ours, see `BEYOND`.
        verdict: `agrees`, `disagrees`, `undecided` or `void`.
        evidence: the quantity that decided, with its interval, in words; why, if the verdict is void.
        estimate, low, high: the same as numbers; None if the evidence is not one number.
        n: number of replicates.
        planned: what the claim was planned with, in words; empty if it was not.
        needed: the replicates planned for a power of 80 %; None if there is no plan, or if no number is enough.
        power: what these replicates had at their own spread, if the claim was planned and is undecided.
    """

    claim: str
    verdict: str
    evidence: str
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    planned: str = ""
    needed: int | None = None
    power: float | None = None

    def document(self) -> dict[str, Any]:
        """The verdict as JSON."""
        return {field.name: getattr(self, field.name) for field in fields(Verdict)}


@dataclass(frozen=True)
class Memorisation(Verdict):
    """What the numbers say about whether the flips are memorised, on which all claims rest.

    Attributes:
        void: the evidence of the other claims if this one does not agree.
        spared: claims that do not rest on it.
    """

    void: str = ""
    spared: tuple[str, ...] = ()


def interval(values: Sequence[float] | np.ndarray, tests: int = 1) -> tuple[float, float, float]:
    """Mean and 95 % Student interval over replicates; (mean, -inf, inf) for fewer than two.

    Args:
        values: one per replicate.
        tests: how many such intervals are to hold at once (Bonferroni).
    """
    x = np.asarray(values, dtype=float)
    mean = float(x.mean()) if len(x) else math.nan
    if len(x) < 2:
        return mean, -math.inf, math.inf
    mean, low, high = (float(value) for value in limits(x, tests))
    return mean, low, high


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Exact interval of a probability from a count (Clopper and Pearson 1934).

    Args:
        successes, trials: counts, at least one trial.
        level: the probability with which the interval covers, at least.
    """
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(stats.beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(stats.beta.ppf(1 - tail, successes + 1, trials - successes))
    return low, high


def exceeds(low: float, high: float, limit: float) -> str:
    """Verdict on "more than `limit`" from an interval: agrees above it, disagrees below, undecided if it is inside."""
    return AGREES if low > limit else DISAGREES if high < limit else UNDECIDED


def stays_below(low: float, high: float, limit: float) -> str:
    """Verdict on "less than `limit`" from an interval: `exceeds` the other way round."""
    return exceeds(-high, -low, -limit)


def practically_zero(low: float, high: float, margin: float) -> str:
    """Verdict on "no more than `margin` from zero" from an interval: agrees inside ±`margin`, disagrees outside."""
    return AGREES if -margin < low and high < margin else DISAGREES if low > margin or high < -margin else UNDECIDED


def above(
    claim: str,
    what: str,
    values: Sequence[float] | np.ndarray,
    *,
    limit: float = 0.0,
    unit: str = "pp",
    tests: int = 1,
    plan: Plan | None = None,
) -> Verdict:
    """The claim is that a mean lies above `limit`.

    Agrees if the whole interval lies above it, disagrees if the whole interval lies below it.

    Args:
        what: the name of the quantity, for the evidence.
        values: one per replicate, in `unit`.
        tests: how many such intervals are to hold at once (Bonferroni).
        plan: what the claim was planned with.
    """
    mean, low, high = interval(values, tests)
    verdict = exceeds(low, high, limit)
    against = f", against {limit:g}" if limit else ""
    against += at_once(tests)
    if plan is not None and verdict == UNDECIDED and high < limit + plan.margin and not plan.refutes:
        against += f", below the {limit + plan.margin:g} planned for"
    made = _verdict(claim, verdict, what, mean, low, high, len(values), unit, against)
    return with_plan(made, plan, spread_of(values))


def within(
    claim: str,
    what: str,
    values: Sequence[float] | np.ndarray,
    *,
    margin: float,
    unit: str = "pp",
    tests: int = 1,
    plan: Plan | None = None,
) -> Verdict:
    """The claim is that a mean is practically zero.

    Agrees if the interval lies inside ±`margin`, disagrees if it lies outside.

    Args:
        what, values, tests, plan: as for `above`.
        margin: the largest mean that counts as zero, in `unit`.
    """
    mean, low, high = interval(values, tests)
    verdict = practically_zero(low, high, margin)
    against = f", against ±{margin:g}" + at_once(tests)
    made = _verdict(claim, verdict, what, mean, low, high, len(values), unit, against)
    return with_plan(made, plan, spread_of(values))


def with_plan(verdict: Verdict, plan: Plan | None, spread: float | None) -> Verdict:
    """The verdict with what it was planned with and, if it is undecided, with the power that it had.

    Args:
        spread: of the replicates; None if it is not known.
    """
    if plan is None:
        return verdict
    undecided = verdict.verdict == UNDECIDED and spread is not None
    power = plan.power(verdict.n, spread) if undecided else None
    return replace(verdict, planned=str(plan), needed=plan.replicates, power=power)


def spread(
    claim: str, what: str, samples: np.ndarray, *, margin: float, tests: int = 1, plan: Plan | None = None
) -> Verdict:
    """The claim is that several levels of something differ.

    Two-way analysis of variance, level × replicate: agrees if the p-value of the F test of the levels is below 5 %
    divided by `tests`; disagrees if the upper limit of the standard deviation between levels is below `margin`, which
    holds with 97.5 %, or for several tests at once.

    Args:
        what: the name of the quantity, for the evidence.
        samples: (level, replicate), in percentage points.
        margin: the largest standard deviation that counts as none, in percentage points.
        tests: how many such tests are made (Bonferroni).
        plan: of the F test.
    """
    levels, replicates = samples.shape
    mean = samples.mean(1)
    rest = samples - mean[:, None] - samples.mean(0) + samples.mean()
    free = (levels - 1) * (replicates - 1)
    noise = float((rest**2).sum()) / free if free else 0.0
    if noise < 1e-9:
        return Verdict(claim, UNDECIDED, f"{what}: there is no noise to compare the differences with", n=replicates)
    ratio = replicates * float(mean.var(ddof=1)) / noise
    p = float(stats.f.sf(ratio, levels - 1, free))
    at = [1.0, *(float(stats.f.ppf(share, levels - 1, free)) for share in (1 - 0.025 / tests, 0.025 / tests))]
    between, *limits = (math.sqrt(max(noise / replicates * (ratio / f - 1), 0.0)) for f in at)
    verdict = AGREES if p < 0.05 / tests else DISAGREES if limits[1] < margin else UNDECIDED
    evidence = (
        f"{what}: standard deviation between {levels} levels {between:.1f} pp [{limits[0]:.1f}, {limits[1]:.1f}], of "
        f"the noise {math.sqrt(noise):.1f} pp; F({levels - 1}, {free}) = {ratio:.2f}, p = {p:.2g}, {replicates} "
        f"replicates{at_once(tests)}"
    )
    made = Verdict(claim, verdict, evidence, between, limits[0], limits[1], replicates)
    return with_plan(made, plan, math.sqrt(noise))


def negated(verdict: Verdict, claim: str) -> Verdict:
    """The verdict on the opposite claim, by the same evidence."""
    opposite = {AGREES: DISAGREES, DISAGREES: AGREES, UNDECIDED: UNDECIDED}
    return replace(verdict, claim=claim, verdict=opposite[verdict.verdict])


def frequency(claim: str, what: str, successes: int, trials: int, probability: float) -> Verdict:
    """The claim is that an event has this probability: agrees if the 99 % Clopper–Pearson interval contains it.

    Args:
        what: the name of the share, for the evidence.
        successes, trials: how often the event happened, and how often it could have.
    """
    low, high = clopper_pearson(successes, trials, 0.99)
    verdict = AGREES if low <= probability <= high else DISAGREES
    share = successes / trials
    evidence = (
        f"{what}: {share:.4f}, 99 % interval [{low:.4f}, {high:.4f}] over {trials} trials; exact {probability:.4f}"
    )
    return Verdict(claim, verdict, evidence, share, low, high, trials)


def always(claim: str, what: str, failures: int, trials: int) -> Verdict:
    """The claim is that something never fails; one failure refutes it.

    Args:
        what: the name of a failure, for the evidence.
    """
    low, high = clopper_pearson(failures, trials)
    verdict = DISAGREES if failures else AGREES if trials else UNDECIDED
    evidence = f"{what}: {failures} failures in {trials} trials (rate at most {high:.4f})"
    return Verdict(claim, verdict, evidence, failures / trials if trials else None, low, high, trials)


def enough(share: float) -> bool:
    """Whether a share of memorised flips, in percent, is at least `MEMORISED`, up to rounding."""
    return share > MEMORISED - 1e-9


def shortfall(share: float) -> str:
    """A share of memorised flips that is too small, for people: 94.97 must not read as 95.0."""
    return f"{min(share, MEMORISED - 0.1):.1f} %"


def memorised(
    shares: Mapping[str, Sequence[float] | np.ndarray], *, needed: str | None = None, spared: Sequence[str] = ()
) -> Memorisation:
    """Whether the flips are memorised: agrees if `MEMORISED` percent are in every group.

    Args:
        shares: group of flips -> the shares of flips memorised, in percent, one per network.
        needed: the only group that decides, if the claims about each of the others are void by themselves where they
            have to be; see `flip_set_results.each_memorised`.
        spared: claims that do not rest on it.
    """
    means = {group: float(np.mean(values)) for group, values in shares.items()}
    least = min(means, key=lambda group: (means[group], group))
    if needed is not None:
        others = "" if least == needed else f"; least of `{least}`: {means[least]:.1f} %"
        short = shortfall(means[needed])
        told = f"{means[needed]:.1f} %" if enough(means[needed]) else short
        return Memorisation(
            "Control: the flips are memorised.",
            AGREES if enough(means[needed]) else DISAGREES,
            f"{told} of the `{needed}` flips{others}",
            n=sum(np.size(values) for values in shares.values()),
            void=f"only {short} of the `{needed}` flips were memorised",
            spared=tuple(spared),
        )
    lowest = f"{means[least]:.1f} %" if enough(means[least]) else shortfall(means[least])
    if len(means) > 1:
        evidence = f"{np.mean(list(means.values())):.1f} % of the flips, least of `{least}`: {lowest}"
        void = f"only {lowest} of the `{least}` flips"
    else:
        evidence = f"{lowest} of the flips"
        void = f"only {lowest} of the flips"
    return Memorisation(
        "Control: the flips are memorised.",
        AGREES if enough(means[least]) else DISAGREES,
        evidence,
        n=sum(np.size(values) for values in shares.values()),
        void=f"{void} were memorised",
        spared=tuple(spared),
    )


def resting(condition: Verdict, verdicts: Sequence[Verdict], why: str) -> list[Verdict]:
    """The verdicts and the condition that they rest on; unless that agrees, they are void, for the reason `why`."""
    if condition.verdict == AGREES:
        return [*verdicts, condition]
    return [*(Verdict(verdict.claim, VOID, why) for verdict in verdicts), condition]


def void_unless_memorised(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts; if one is a `Memorisation` that does not agree, all others that it does not spare void, bare."""
    failed = [verdict for verdict in verdicts if isinstance(verdict, Memorisation) and verdict.verdict != AGREES]
    if not failed:
        return list(verdicts)
    return [
        verdict
        if isinstance(verdict, Memorisation) or verdict.claim in failed[0].spared
        else Verdict(verdict.claim, VOID, failed[0].void)
        for verdict in verdicts
    ]


def _verdict(
    claim: str, verdict: str, what: str, mean: float, low: float, high: float, n: int, unit: str, against: str
) -> Verdict:
    if not math.isfinite(low):
        return Verdict(claim, UNDECIDED, f"{what}: {n} replicates, too few for an interval", n=n)
    sign = "" if unit == "%" else "+"  # a share is no difference
    shown = f"{mean:{sign}.2f} {unit}".rstrip() + f" [{low:{sign}.2f}, {high:{sign}.2f}]{against}, {n} replicates"
    return Verdict(claim, verdict, f"{what}: {shown}".replace("-", "−"), mean, low, high, n)


def at_once(tests: int) -> str:
    """For how many tests at once an interval holds, for the evidence; nothing for one."""
    return f" for {tests} tests at once" if tests > 1 else ""


def spread_of(values: Sequence[float] | np.ndarray) -> float:
    """Standard deviation of replicates; 0 for fewer than two."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
