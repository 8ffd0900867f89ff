"""The attacks that go beyond the thesis: what they find where the answer is planted or can be enumerated."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
import torch

import toy
from lnbench import graphs, metagradients, surrogates
from lnbench.errors import ProtocolError
from lnbench.protocol.poisoner import Problem


def worst(sets: Iterable[np.ndarray], worth: np.ndarray) -> list[int]:
    """The set of flips that is worth most, ascending."""
    best: np.ndarray = max(sets, key=lambda s: float(worth[s].sum()))
    return sorted(best.tolist())


class Planted:
    """Stands in for training: harm is a sum over the flips and noise from `problem.rng`; trainings are counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, worth: np.ndarray, noise: float = 0.0, until: int = 10**9):
        self.worth, self.noise, self.until, self.trained = worth, noise, until, 0
        monkeypatch.setattr(surrogates, "harm", self.harm)

    def harm(self, problem: Problem, sets: np.ndarray, **options: object) -> np.ndarray:
        harms: np.ndarray = self.worth[sets].sum(1) + self.noise * problem.rng.standard_normal(len(sets))
        harms[max(0, self.until - self.trained) :] = np.nan
        self.trained += len(sets)
        return harms


@pytest.fixture
def crowd() -> Problem:
    """Thirty source points without structure, four flips."""
    return toy.problem(np.random.default_rng(5).random((30, 3)), budget=4)


def test_random_search_returns_the_worst_of_its_sets(crowd: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    worth = np.random.default_rng(0).random(30)
    planted = Planted(monkeypatch, worth)
    flips = toy.flips("random_search", crowd, surrogates=40)
    assert planted.trained == 40
    again = dataclasses.replace(crowd, rng=np.random.default_rng(0))
    sets = [again.rng.choice(30, 4, replace=False) for _ in range(20)]
    assert flips == worst(sets, worth)


def test_random_search_with_one_flip_and_tries_enough_finds_the_best_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """On real, tiny surrogates: the exhaustively best single flip, each measured on the same seeds."""
    rng = np.random.default_rng(3)
    points, away = rng.uniform(0.55, 0.95, (8, 2)), rng.uniform(0.05, 0.45, (8, 2))
    given = toy.problem(points, away, threat=dataclasses.replace(toy.problem(points).threat, epsilon=0.15))
    real = surrogates.harm

    every = np.array([real(given, np.array([[i]]), seed=7, steps=40, radii=(1.0,))[0] for i in range(8)])
    assert len(set(every.round(6))) > 1
    monkeypatch.setattr(surrogates, "harm", lambda problem, sets, **options: every[sets[:, 0]])
    (flip,) = toy.flips("random_search", given, surrogates=50, victims="mlp")
    assert every[flip] == every.max()


def test_balanced_sets_flip_every_point_equally_often() -> None:
    sets = toy.module("datamodel").balanced(11, 4, 30, np.random.default_rng(0))
    assert sets.shape == (30, 4) and all(len(set(s)) == 4 for s in sets)
    counts = np.bincount(sets.ravel(), minlength=11)
    assert counts.max() - counts.min() <= 1
    assert toy.module("datamodel").balanced(3, 3, 2, np.random.default_rng(0)).tolist()[0] != []


def test_the_datamodel_recovers_planted_effects(crowd: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    worth = rng.normal(size=30)
    sets = toy.module("datamodel").balanced(30, 4, 200, rng)
    coefficients = toy.module("datamodel").effects(sets, worth[sets].sum(1) + 0.3 * rng.normal(size=200), 30)
    assert np.corrcoef(coefficients, worth)[0, 1] > 0.97
    Planted(monkeypatch, worth, noise=0.3)
    assert toy.flips("datamodel", crowd, surrogates=400) == sorted(np.argsort(-worth)[:4])


def test_matched_medoids_takes_a_point_of_each_cluster_and_shuns_other_classes() -> None:
    rng = np.random.default_rng(0)
    clusters = np.concatenate([rng.normal(at, 0.01, (10, 2)) for at in (0.2, 0.5, 0.8)])
    assert sorted(i // 10 for i in toy.flips("matched_medoids", toy.problem(clusters, budget=3))) == [0, 1, 2]
    crowd = rng.normal(0.5, 0.01, (40, 2))  # another class on the middle cluster
    for contrast, expected in ((0.0, {0, 1, 2}), (4.0, {0, 2})):
        flips = toy.flips("matched_medoids", toy.problem(clusters, crowd, budget=4), contrast=contrast, share=0.9)
        assert {i // 10 for i in flips} == expected


def test_mean_matching_flips_the_middle_of_the_class_and_shuns_other_classes() -> None:
    assert toy.flips("mean_matching", toy.problem(toy.star()), width=0.5) == [0]
    rng = np.random.default_rng(0)
    clusters = np.concatenate([rng.normal(at, 0.01, (10, 2)) for at in (0.2, 0.5, 0.8)])
    three = toy.problem(clusters, target=np.full((3, 2), 5.0), budget=3)
    assert sorted(np.array(toy.flips("mean_matching", three, width=0.5)) // 10) == [0, 1, 2]
    # Another class sits on the first cluster.
    two = toy.problem(clusters, target=clusters[:10] + 1e-3, budget=2)
    assert sorted(np.array(toy.flips("mean_matching", two, width=0.5)) // 10) == [1, 2]


def test_the_searchs_proposals_are_different_miniatures_the_plain_ones_first(crowd: Problem) -> None:
    search: Any = toy.attack("matched_search", candidates=6)
    proposals = search.proposals(crowd)
    assert len({tuple(s) for s in proposals}) == 6
    assert proposals[0].tolist() == toy.flips("mean_matching", dataclasses.replace(crowd, rng=np.random.default_rng(0)))
    assert proposals[1].tolist() == toy.flips("my_poisoner", crowd)
    rng, apart = np.random.default_rng(0), graphs.distances(crowd.inputs[:30])
    drawn = [rng.choice(30, 4, replace=False) for _ in range(500)]
    for i, (width, matched) in enumerate(zip(toy.module("matched_search").WIDTHS, proposals[::2], strict=False)):
        kernel, alien = graphs.contrast(crowd.inputs[:30], crowd.inputs[30:], width)
        mean = kernel.mean(1) - alien
        chance = [graphs.mismatch(kernel, flips, mean) for flips in drawn]
        assert graphs.mismatch(kernel, matched, mean) < np.quantile(chance, 0.3 if i else 0.01), width
    near = np.array([apart[:, flips].min(1).sum() for flips in [*drawn, *proposals[1::2]]])
    assert (near[500:] < np.quantile(near[:500], 0.5)).all() and near[500] < np.quantile(near[:500], 0.01)


@pytest.mark.parametrize("trainings", [8, 64, 256])
def test_the_search_keeps_to_its_trainings_and_finds_the_worst_candidate(
    crowd: Problem, monkeypatch: pytest.MonkeyPatch, trainings: int
) -> None:
    planted = Planted(monkeypatch, np.random.default_rng(0).random(30), noise=0.01)
    search: Any = toy.attack("matched_search", surrogates=trainings, candidates=8)
    sets = search.proposals(dataclasses.replace(crowd, rng=np.random.default_rng(0)))
    flips = toy.flips("matched_search", crowd, surrogates=trainings, candidates=8)
    assert planted.trained <= trainings
    tried = sets if trainings >= 64 else sets[:1]
    assert flips == worst(tried, planted.worth)


def test_the_search_is_not_misled_by_one_lucky_seed(crowd: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise as large as the differences: halving must still find a good candidate far more often than chance."""
    worth = np.random.default_rng(0).random(30)
    ranks = []
    for seed in range(12):
        given = dataclasses.replace(crowd, rng=np.random.default_rng(seed))
        search: Any = toy.attack("matched_search", candidates=8)
        sets = search.proposals(given)
        order = sorted((sorted(s.tolist()) for s in sets), key=lambda s: -worth[s].sum())
        Planted(monkeypatch, worth, noise=0.3)
        again = dataclasses.replace(crowd, rng=np.random.default_rng(seed))
        ranks.append(order.index(toy.flips("matched_search", again, surrogates=256, candidates=8)))
    assert np.mean(ranks) < 1.5  # by chance 3.5


@pytest.mark.parametrize("until", [0, 3, 20])
def test_searches_return_the_best_so_far_when_time_runs_out(
    crowd: Problem, monkeypatch: pytest.MonkeyPatch, until: int
) -> None:
    worth = np.random.default_rng(0).random(30)
    for name in ("random_search", "datamodel", "matched_search"):
        Planted(monkeypatch, worth, until=until)
        assert len(toy.flips(name, crowd, surrogates=40, victims="mlp")) == 4
    Planted(monkeypatch, worth, until=3)
    fresh = dataclasses.replace(crowd, rng=np.random.default_rng(0))
    sets = [fresh.rng.choice(30, 4, replace=False) for _ in range(3)]
    again = dataclasses.replace(crowd, rng=np.random.default_rng(0))
    flips = toy.flips("random_search", again, surrogates=40, victims="mlp")
    assert flips == worst(sets, worth)


def test_bilevel_climbs_the_metagradient_within_the_budget(crowd: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    worth = np.random.default_rng(0).normal(size=30)
    totals: list[float] = []

    def unrolled(problem: Problem, flip: torch.Tensor, **options: object) -> torch.Tensor:
        totals.append(float(flip.detach().sum()))
        return flip

    monkeypatch.setattr(metagradients, "unrolled", unrolled)
    monkeypatch.setattr(metagradients, "adversarial_loss", lambda flip, *rest: flip @ torch.from_numpy(worth).float())
    assert toy.flips("bilevel", crowd, surrogates=60) == sorted(np.argsort(-worth)[:4])
    np.testing.assert_allclose(totals, 4, rtol=1e-4)


def test_parameters_that_make_no_sense_are_worded(crowd: Problem) -> None:
    with pytest.raises(ValueError, match="candidates is at least 1; got 0"):
        toy.flips("matched_search", crowd, candidates=0)
    with pytest.raises(ProtocolError, match="no architecture is called 'cmm'"):
        toy.flips("random_search", crowd, victims="cmm")
    with pytest.raises(ProtocolError, match=r"width is a positive number of median distances; got -1\.0"):
        toy.flips("mean_matching", crowd, width=-1.0)


def test_bilevels_shift_meets_the_budget() -> None:
    logits = np.array([-30.0, 0.0, 3.0, 500.0])
    for budget in (1, 2, 3):
        b = toy.module("bilevel").shift(logits, budget)
        assert (1 / (1 + np.exp(-(logits + b)))).sum() == pytest.approx(budget)


def test_alfa_ends_at_a_choice_that_its_own_machine_would_make_again() -> None:
    rng = np.random.default_rng(0)
    given = toy.problem(rng.normal(0.7, 0.1, (20, 2)), rng.normal(0.3, 0.1, (20, 2)), budget=3)
    attack: Any = toy.attack("alfa", iterations=50)
    labels = attack.poison(given)
    chosen = np.flatnonzero(labels != given.labels)
    flat, data, points = given.inputs.astype(float), np.ones(40, bool), np.arange(20)
    gain = attack._rise(flat, given.labels, data, 1, points)
    # Flipping hurts the clean machine: it is wrong on every flip by more than one margin.
    assert (gain[chosen] > 1).all()
    rise = attack._rise(flat, labels, data, 1, points)
    assert attack._best(gain - rise, given).tolist() == chosen.tolist()
    assert attack._rise(flat, np.ones(40), data, 1, points).tolist() == [0] * 20


def test_pursuit_leaves_nothing_along_a_step_taken() -> None:
    way = {"a": torch.randn(2, 3), "b": torch.randn(2, 2, 2)}
    step = {"a": torch.randn(2, 3), "b": torch.randn(2, 2, 2)}
    before = metagradients.norms(way)
    toy.module("trajectory_matching")._subtract(way, step)
    torch.testing.assert_close(metagradients.inner(way, step), torch.zeros(2), atol=1e-5, rtol=0)
    assert (metagradients.norms(way) < before).all()


def test_gradient_alignment_adds_slopes_of_unit_gradients(crowd: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    scale, worth = torch.tensor([1.0, 100.0]), torch.randn(30, generator=torch.Generator().manual_seed(0))
    taken = []
    monkeypatch.setattr(surrogates, "train", lambda problem, labels, **options: taken.append(options["steps"]))
    monkeypatch.setattr(metagradients, "adversarial_gradients", lambda *arguments: {"w": scale[:, None]})
    second = torch.randn(30, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(metagradients, "flip_slopes", lambda *arguments: torch.stack([worth, second]) * scale[:, None])
    flips = toy.flips("gradient_alignment", crowd, surrogates=6)
    assert flips == sorted((worth + second).argsort(descending=True)[:4].tolist())
    assert (
        len(taken) == 3
        and taken[1] == pytest.approx(2 * taken[0], abs=1)
        and taken[2] == pytest.approx(2 * taken[1], abs=1)
    )
