"""How many replicates a claim needs, reckoned before they are measured.

A claim agrees if a 95 % interval over replicates lies beyond a limit (`verdicts.above`), if it lies inside a margin
(`verdicts.within`), if levels differ by less than a margin (`verdicts.spread`, negated), or if a curve has a shape
(`shapes`). The power is the chance of that; for `above` and for shapes if the true effect is as large as the margin,
for the others if there is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from lnbench.evaluation.calibration import power as power_above
from lnbench.thesis import shape_tests

POWER = 0.8
MOST = 1000
"""Replicates beyond which a plan is given up."""
GUESS, AFTER = "guess", "this run, which came before its plan"


@dataclass(frozen=True)
class Plan:
    """What one claim was planned with.

    Attributes:
        margin: the smallest effect that is worth finding, beyond the limit of the claim; or the largest that counts as
            none, if `test` is `within`. In the unit of the claim.
        spread: σ over replicates, in the same unit; for `differ` and `alike`, that of the noise; for shapes, that of
            the difference of two places.
        source: where σ is from: the document that it was measured in, such as `fig17 quick`; or `GUESS`, or `AFTER`.
        test: `above` or `within`; `differ` or `alike`, that levels do and do not; or a shape, `valley`, `falling` or
            `lowest`.
        tests: how many such claims are to hold at once (Bonferroni).
        levels: how many levels are compared, or places a shape has.
        refutes: the claim is that there is no such effect, so that the power is that of refuting it.
        slack: the largest rise that counts as none, for `falling`.
    """

    margin: float
    spread: float
    source: str
    test: str = "above"
    tests: int = 1
    levels: int = 0
    refutes: bool = False
    slack: float = 0.0

    def power(self, replicates: int, spread: float | None = None) -> float:
        """Chance that so many replicates of spread σ (the planned one if None) decide the claim as planned."""
        sd, alpha = self.spread if spread is None else spread, 0.05 / self.tests
        if replicates < 2:
            return 0.0
        if self.test == "within":
            return power_within(self.margin, sd, replicates, alpha)
        if self.test == "differ":
            return power_differ(self.margin, sd, self.levels, replicates, alpha)
        if self.test == "alike":
            return power_alike(self.margin, sd, self.levels, replicates, alpha)
        if self.test in shape_tests.KINDS:
            return shape_tests.power(
                self.test, self.margin, sd, self.levels, replicates, tests=self.tests, slack=self.slack
            )
        return power_above(self.margin, sd, replicates, alpha)

    @property
    def replicates(self) -> int | None:
        """The fewest with a power of 80 %; None if a thousand have less."""
        if self.power(MOST) < POWER:
            return None
        low, high = 1, MOST  # low fails, high succeeds
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.power(middle) >= POWER else (middle, high)
        return high

    def __str__(self) -> str:
        limit = "to refute it, " if self.refutes else "±" if self.test == "within" else ""
        limit += "below " if self.test == "alike" else ""
        source = "guessed" if self.source == GUESS else f"from {self.source}"
        return f"{limit}{self.margin:g} at σ {self.spread:g} {source}"


def power_within(margin: float, sd: float, replicates: int, alpha: float = 0.05) -> float:
    """Chance that the 1 − α Student interval of a mean lies inside ±margin if the true mean is 0.

    P(|x̄| + t·s/√n < m) = E[max(0, 2Φ(m√n/σ − t·u) − 1)] with u² = s²/σ² ~ χ²/(n − 1): two one-sided tests
    (Schuirmann 1987), exactly, as a mean over 2,000 quantiles of u.
    """
    if sd <= 0:
        return 1.0
    free = replicates - 1
    limit = float(stats.t.ppf(1 - alpha / 2, free))
    u = np.sqrt(stats.chi2.ppf((np.arange(2000) + 0.5) / 2000, free) / free)
    inside = 2 * stats.norm.cdf(margin * np.sqrt(replicates) / sd - limit * u) - 1
    return float(np.maximum(inside, 0).mean())


def power_differ(between: float, sd: float, levels: int, replicates: int, alpha: float = 0.05) -> float:
    """Chance that the F test of a two-way layout finds levels whose standard deviation (of k − 1) is `between`.

    The statistic is noncentral F(k − 1, (k − 1)(n − 1)) with λ = n·(k − 1)·between² / σ².
    """
    if sd <= 0:
        return 1.0
    free = levels - 1, (levels - 1) * (replicates - 1)
    limit = float(stats.f.ppf(1 - alpha, *free))
    return float(stats.ncf.sf(limit, *free, replicates * (levels - 1) * (between / sd) ** 2))


def power_alike(margin: float, sd: float, levels: int, replicates: int, alpha: float = 0.05) -> float:
    """Chance that the upper 1 − α/2 limit of the standard deviation between levels is below a margin if they are alike.

    With f the α/2 quantile of F(k − 1, (k − 1)(n − 1)) the limit is below m if the mean square between levels is
    below f·(s² + n·m²); it is σ²·χ²(k − 1)/(k − 1). So it is a mean over s², taken over 2,000 quantiles.
    """
    if sd <= 0:
        return 1.0
    free = levels - 1, (levels - 1) * (replicates - 1)
    s = stats.chi2.ppf((np.arange(2000) + 0.5) / 2000, free[1]) / free[1]
    limit = stats.f.ppf(alpha / 2, *free) * (s + replicates * (margin / sd) ** 2)
    return float(stats.chi2.cdf(free[0] * limit, free[0]).mean())
