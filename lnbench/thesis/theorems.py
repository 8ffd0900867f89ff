"""The two theorems of the thesis as calculators, restated so that they hold, with proofs (thesis §3.1–3.2).

Both share a setting. C is a classifier, D the data distribution over ℝᵈ, c the true labelling, ζ a finite set of
centres, and B_ρ(s) the closed ball of radius ρ about s in some norm. S is n i.i.d. draws from D; each label is *wrong*
with probability η, independently. (The thesis states "correct with η probability"; its proofs use the reverse.)
R_Adv^r(C) = P_{x∼D}[∃ x̃ ∈ B_r(x): C(x̃) ≠ c(x)]. Radii are in units of the norm; everything else is a probability or
a count.

The thesis bounds ⟦C(x) ≠ C(x′)⟧ / ‖x − x′‖ by κ. That forces C to be constant, because the quotient is unbounded at
any decision boundary. Its proofs need less: that C gives a memorised wrong label also near the point. Here that is the
assumption.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from lnbench.errors import ProtocolError


def certified_radius(margin: float, lipschitz: float) -> float:
    """τ = χ / (2L), the radius about a training point within which C gives the label that it gives at the point.

    Proof. Let each class probability be L-Lipschitz, p_y(x′) ≥ p_j(x′) + χ for all j ≠ y, and ‖x − x′‖ < τ. Then
    p_y(x) > p_y(x′) − Lτ and p_j(x) < p_j(x′) + Lτ, so p_y(x) − p_j(x) > χ − 2Lτ = 0. ∎

    Args:
        margin: χ in (0, 1], the lead of the probability of that class over the next.
        lipschitz: L > 0, in 1 / distance.

    Returns:
        The radius of an open ball.
    """
    _check(0 < margin <= 1, "margin", "in (0, 1]", margin)
    _check(lipschitz > 0, "lipschitz", "positive", lipschitz)
    return margin / (2 * lipschitz)


def attack_radius(rho: float, tau: float) -> float:
    """max(0, 2ρ − τ): theorem 1 holds for every attack radius r above it. For τ = 0 it is that of Sanyal et al. 2021.

    Theorem 1. Let (1) D(∪ B_ρ(s)) ≥ c₁, (2) D(B_ρ(s)) ≥ c₂/|ζ| for every s in ζ, (3) c constant on each B_ρ(s), and let
    every ball hold a mislabelled training point x′ such that C gives its wrong label on the open τ-ball about it (at x′
    itself if τ = 0). If n ≥ `sample_size`, then with probability at least 1 − δ over S, R_Adv^r(C) ≥ c₁ for all r above
    this.

    Proof. With probability ≥ 1 − δ every ball holds a mislabelled point (`sample_size`). Take x in some B_ρ(s) and x′
    there; ‖x − x′‖ ≤ 2ρ. The point x̃ on the segment from x towards x′ at distance min(r, ‖x − x′‖) from x is at most
    max(0, 2ρ − r) from x′. If r > 2ρ − τ that is below τ (or 0), so C(x̃) is the wrong label of x′, and it differs from
    c(x′) = c(x) by (3). So all of ∪ B_ρ(s) is vulnerable, and its mass is at least c₁. ∎

    Args:
        rho: ρ ≥ 0, the radius of the balls.
        tau: τ ≥ 0, the radius within which C gives a wrong label, see `certified_radius`.
    """
    _check(rho >= 0, "rho", "at least 0", rho)
    _check(tau >= 0, "tau", "at least 0", tau)
    return max(0.0, 2 * rho - tau)


def sample_size(balls: int, eta: float, c2: float, delta: float) -> int:
    """The smallest whole n ≥ (|ζ| / (η·c₂)) · ln(|ζ| / δ).

    Proof that it suffices. A draw is a mislabelled point of B_ρ(s) with probability at least p = η·c₂/|ζ|; all n miss
    with probability at most (1 − p)ⁿ ≤ e^{−pn}; by the union bound some ball is missed with probability at most
    |ζ|·e^{−pn} ≤ δ. ∎

    Args:
        balls: |ζ| ≥ 1.
        eta: η in (0, 1], the probability that a label is wrong.
        c2: c₂ in (0, 1].
        delta: δ in (0, 1).
    """
    _check(balls >= 1, "balls", "at least 1", balls)
    _check(0 < eta <= 1, "eta", "in (0, 1]", eta)
    _check(0 < c2 <= 1, "c2", "in (0, 1]", c2)
    _check(0 < delta < 1, "delta", "in (0, 1)", delta)
    return math.ceil(balls / (eta * c2) * math.log(balls / delta))


def all_hit(masses: Sequence[float], eta: float, n: int) -> float:
    """The exact probability that n draws put a mislabelled point into each of several disjoint balls.

    Inclusion–exclusion over the sets A of balls that are missed: Σ_A (−1)^|A| (1 − η·Σ_{s∈A} D(B(s)))ⁿ.

    Args:
        masses: D(B(s)) of each ball, in sum at most 1; at most 20 balls.
        eta: η in [0, 1].
        n: draws.
    """
    _check(len(masses) <= 20, "masses", "at most 20 balls (2^balls terms are summed)", len(masses))
    _check(all(m >= 0 for m in masses) and sum(masses) <= 1 + 1e-12, "masses", "disjoint balls' masses", list(masses))
    _check(0 <= eta <= 1, "eta", "in [0, 1]", eta)
    terms = (
        (-1) ** size * (1 - eta * sum(missed)) ** n
        for size in range(len(masses) + 1)
        for missed in itertools.combinations(masses, size)
    )
    return min(1.0, max(0.0, math.fsum(terms)))


def isolated_radius(outer: float, inner: float, tau: float) -> float:
    """max(0, R + r − τ): theorem 2 holds for every attack radius above it.

    Theorem 2. Let the outer balls B_R(s), s ∈ ζ, be pairwise disjoint, c constant on each, r ≤ R, (1) c_total ≤
    D(∪ B_R(s)) ≤ c_ceil, (2) D(B_r(s)) ≥ c_in/|ζ| for every s. Let C give a memorised wrong label on the open τ-ball
    about its training point if every training point of another label is farther than R − r from it (the thesis writes
    τ = 1/κ(R − r)). If n ≥ |ζ|, then P[R_Adv^{r′} ≥ c_total] ≥ `isolated_bound` for every r′ above this.

    Proof. Consider the event *isolated*: each inner ball holds exactly one draw, mislabelled, and no other draw lies
    in an outer ball. On it, a mislabelled x′ in B_r(s) has every other draw outside B_R(s), hence farther than R − r.
    For x in B_R(s), ‖x − x′‖ ≤ R + r, and walking from x towards x′ by r′ > R + r − τ ends where C gives the wrong
    label, as in theorem 1. So ∪ B_R(s) is vulnerable, and its mass is at least c_total. ∎

    Args:
        outer, inner: R ≥ r ≥ 0.
        tau: τ ≥ 0.
    """
    _check(0 <= inner <= outer, "inner", f"between 0 and the outer radius {outer:g}", inner)
    _check(tau >= 0, "tau", "at least 0", tau)
    return max(0.0, outer + inner - tau)


def isolated_probability(balls: int, n: int, eta: float, c_in: float, c_ceil: float) -> float:
    """n!/(n−k)! · (η·c_in/k)^k · (1 − c_ceil)^{n−k}, k = |ζ|: a lower bound of the probability of the event *isolated*.

    Exact if the outer balls are disjoint, their mass is c_ceil, and the mass of each inner ball is c_in/k.

    Proof. There are n!/(n−k)! disjoint ways to choose which draw falls into which inner ball. Each has probability at
    least (η·c_in/k)^k for the chosen draws, times at least (1 − c_ceil)^{n−k} for the others. ∎

    Args:
        balls: k = |ζ| ≥ 1.
        n: draws, at least k.
        eta: η in [0, 1].
        c_in, c_ceil: masses with 0 ≤ c_in ≤ c_ceil ≤ 1.
    """
    _check_isolated(balls, n, eta, c_in, c_ceil)
    return math.perm(n, balls) * (eta * c_in / balls) ** balls * (1 - c_ceil) ** (n - balls)


def isolated_bound(balls: int, n: int, eta: float, c_in: float, c_ceil: float) -> float:
    """(1 − c_ceil)^{n−k} · (η·n·c_in/(e·k))^k · √(2πk), k = |ζ|: the closed form in the thesis.

    It is at most `isolated_probability`.

    Proof. n!/(n−k)! = C(n, k)·k! ≥ (n/k)^k · √(2πk)·(k/e)^k = (n/e)^k·√(2πk), by C(n, k) ≥ (n/k)^k and Stirling. ∎

    The outer balls have to be disjoint: k copies of one ball of mass k/n give c_in = k·k/n, c_ceil = k/n and a value
    above 1 (see `overlapping_bound`). Arguments as for `isolated_probability`.
    """
    _check_isolated(balls, n, eta, c_in, c_ceil)
    return _closed_form(balls, n, eta, c_in, c_ceil)


def overlapping_bound(balls: int, n: int) -> float:
    """The closed form as printed for `balls` copies of one ball of mass balls/n, all labels wrong; it can exceed 1.

    >>> overlapping_bound(2, 100) < 1 < overlapping_bound(20, 1000)
    True
    """
    _check(1 <= balls <= n, "n", f"at least the number of balls {balls}", n)
    mass = balls / n
    return _closed_form(balls, n, 1.0, balls * mass, mass)


def best_isolated_bound(balls: int, eta: float, n: int | None = None) -> float:
    """The largest value of `isolated_bound` over all c_in = c_ceil, for this n or (None) for n → ∞.

    (1 − c)^{n−k}·c^k is largest at c = k/n, where the bound is (1 − k/n)^{n−k}·e^{−k}·√(2πk)·η^k; its limit for n → ∞
    is e^{−2k}·√(2πk)·η^k, and at n = k it is e^{−k}·√(2πk)·η^k. For k ≥ 5 that is below .04 for all n and η:
    the bound is vacuous.

    Args:
        balls: k = |ζ| ≥ 1.
        eta: η in [0, 1].
        n: draws, at least k; None for the limit.
    """
    _check(balls >= 1, "balls", "at least 1", balls)
    _check(0 <= eta <= 1, "eta", "in [0, 1]", eta)
    if n is None:
        rest = math.exp(-balls)
    else:
        _check(n >= balls, "n", f"at least the number of balls {balls}", n)
        rest = (1 - balls / n) ** (n - balls)
    return rest * math.exp(-balls) * math.sqrt(2 * math.pi * balls) * eta**balls


def _closed_form(balls: int, n: int, eta: float, c_in: float, c_ceil: float) -> float:
    root = math.sqrt(2 * math.pi * balls)
    return float((1 - c_ceil) ** (n - balls) * (eta * n * c_in / (math.e * balls)) ** balls * root)


def _check_isolated(balls: int, n: int, eta: float, c_in: float, c_ceil: float) -> None:
    _check(balls >= 1, "balls", "at least 1", balls)
    _check(n >= balls, "n", f"at least the number of balls {balls}", n)
    _check(0 <= eta <= 1, "eta", "in [0, 1]", eta)
    _check(0 <= c_in <= c_ceil <= 1, "c_in", f"between 0 and c_ceil = {c_ceil:g} ≤ 1 (disjoint outer balls)", c_in)


def _check(good: bool, name: str, expected: str, came: object) -> None:
    if not good:
        raise ProtocolError(f"{name} must be {expected}; got {came}.")
