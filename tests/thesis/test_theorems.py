"""The theorems' calculators against enumeration, and the bounds against what they bound."""

from __future__ import annotations

import itertools
import math

import pytest

from lnbench.errors import ProtocolError
from lnbench.thesis import theorems


def enumerated(masses: list[float], n: int, happens: object) -> float:
    """P(event) over all n-fold draws from categories of these masses, the rest of the mass being the last category."""
    every = [*masses, 1 - sum(masses)]
    return math.fsum(
        math.prod(every[c] for c in draw)
        for draw in itertools.product(range(len(every)), repeat=n)
        if happens(draw)  # type: ignore[operator]
    )


@pytest.mark.parametrize("n", [1, 3, 6])
def test_every_ball_is_hit_as_often_as_by_enumeration(n: int) -> None:
    masses, eta = [0.2, 0.35], 0.6
    wanted = enumerated([eta * m for m in masses], n, lambda draw: {0, 1} <= set(draw))
    assert theorems.all_hit(masses, eta, n) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("balls", [1, 3, 8])
@pytest.mark.parametrize("eta", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("delta", [0.3, 0.01])
def test_the_sample_size_is_enough_and_a_third_of_it_is_not(balls: int, eta: float, delta: float) -> None:
    n = theorems.sample_size(balls, eta, 0.4, delta)
    masses = [0.4 / balls] * balls
    assert theorems.all_hit(masses, eta, n) >= 1 - delta
    assert theorems.all_hit(masses, eta, n // 3) < 1 - delta


def test_a_label_is_given_inside_the_radius_and_lost_beyond_it() -> None:
    """Two classes whose probabilities change at the Lipschitz rate: the tight case."""
    lipschitz, at = 0.4, 0.9
    tau = theorems.certified_radius(at - (1 - at), lipschitz)
    for distance, given in ((0.999 * tau, True), (1.001 * tau, False)):
        p = at - lipschitz * distance
        assert (p > 1 - p) == given


def test_attack_radii_are_the_theorems_and_never_negative() -> None:
    assert theorems.attack_radius(0.3, 0.2) == pytest.approx(0.4)
    assert theorems.attack_radius(0.3, 0.0) == pytest.approx(0.6)
    assert theorems.attack_radius(0.1, 0.5) == 0
    assert theorems.isolated_radius(1.0, 0.5, 0.2) == pytest.approx(1.3)
    assert theorems.isolated_radius(1.0, 0.5, 2.0) == 0


@pytest.mark.parametrize("n", [2, 3, 5])
def test_the_isolated_event_is_as_likely_as_by_enumeration(n: int) -> None:
    eta, c_in, c_ceil = 0.7, 0.4, 0.6
    good = eta * c_in / 2

    def happens(draw: tuple[int, ...]) -> bool:  # 0, 1: a wrong label in an inner ball; 2: the rest of the outer balls
        return draw.count(0) == 1 and draw.count(1) == 1 and draw.count(2) == 0

    wanted = enumerated([good, good, c_ceil - 2 * good], n, happens)
    assert theorems.isolated_probability(2, n, eta, c_in, c_ceil) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("balls", [1, 2, 5, 12])
@pytest.mark.parametrize("n", [12, 50, 1000])
def test_the_closed_form_is_below_what_it_bounds(balls: int, n: int) -> None:
    exact, bound = (
        theorems.isolated_probability(balls, n, 0.3, 0.1, 0.2),
        theorems.isolated_bound(balls, n, 0.3, 0.1, 0.2),
    )
    assert 0 < bound <= exact <= 1
    if n >= 1000:  # (n/k)^k stands for C(n, k) ≈ n^k/k!, and Stirling's formula for k!
        lost = math.sqrt(2 * math.pi * balls) * math.exp(-balls)
        assert bound / exact == pytest.approx(lost, rel=0.1)


@pytest.mark.parametrize(("balls", "n"), [(1, 4), (3, 3), (3, 10), (5, 40)])
def test_the_largest_bound_is_the_largest(balls: int, n: int) -> None:
    grid = [theorems.isolated_bound(balls, n, 1.0, c, c) for c in [i / 2000 for i in range(2001)]]
    assert max(grid) == pytest.approx(theorems.best_isolated_bound(balls, 1.0, n), rel=1e-4)
    assert theorems.best_isolated_bound(balls, 1.0) <= max(grid) * (1 + 1e-9)


def test_the_bound_is_vacuous_for_five_balls_and_no_probability_without_disjointness() -> None:
    assert theorems.best_isolated_bound(4, 1.0, 4) > 0.05 > theorems.best_isolated_bound(5, 1.0, 5)
    assert theorems.overlapping_bound(20, 1000) > 1


@pytest.mark.parametrize(
    "call",
    [
        lambda: theorems.sample_size(0, 0.1, 0.5, 0.1),
        lambda: theorems.sample_size(1, 0.0, 0.5, 0.1),
        lambda: theorems.sample_size(1, 0.1, 0.5, 1.0),
        lambda: theorems.all_hit([0.6, 0.6], 0.1, 5),
        lambda: theorems.certified_radius(0.0, 1.0),
        lambda: theorems.attack_radius(-1.0, 0.0),
        lambda: theorems.isolated_probability(3, 2, 0.5, 0.1, 0.2),
        lambda: theorems.isolated_bound(1, 2, 0.5, 0.3, 0.2),
        lambda: theorems.isolated_radius(1.0, 2.0, 0.0),
        lambda: theorems.best_isolated_bound(3, 0.5, 2),
    ],
)
def test_arguments_that_make_no_sense_are_refused(call: object) -> None:
    with pytest.raises(ProtocolError, match="must be"):
        call()  # type: ignore[operator]
