"""The thesis's strategies, on problems whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import toy
from lnbench import adversary, graphs, surrogates
from lnbench.adversary import Attacked
from lnbench.errors import ProtocolError
from lnbench.victims import Victims, architecture


@pytest.mark.parametrize("name", ["high_degree", "dominating_set"])
def test_the_hub_of_a_star_is_flipped(name: str) -> None:
    assert toy.flips(name, toy.problem(toy.star()), gamma=0.2) == [0]


def test_high_degree_stays_in_the_crowd_and_the_dominating_set_leaves_it() -> None:
    crowd, pair = np.linspace(0.1, 0.15, 8), np.array([0.8, 0.84])
    given = toy.problem(np.concatenate([crowd, pair])[:, None], budget=2)
    assert set(toy.flips("high_degree", given, gamma=0.5)) < set(range(8))
    first, second = toy.flips("dominating_set", given, gamma=0.5)
    assert first < 8 <= second


@pytest.mark.parametrize("name", ["high_degree", "dominating_set"])
@pytest.mark.parametrize("gamma", [1e-9, 1.0])
def test_nearly_empty_and_complete_graphs_are_spent_by_the_tie_rule(name: str, gamma: float) -> None:
    points = np.random.default_rng(0).random((9, 4))
    for extra in (points, np.ones((9, 4))):  # all points alike: every distance is 0
        assert len(toy.flips(name, toy.problem(extra, budget=3), gamma=gamma)) == 3


def test_principal_directions_ignore_what_does_not_vary_most() -> None:
    """A star along the first directions, hidden by noise along the last, weak one."""
    rng = np.random.default_rng(1)
    points = np.concatenate([toy.star().reshape(7, 3), 0.05 * rng.random((7, 1))], 1)
    given = toy.problem(points, target=points[1:4] + 1e-3)
    assert toy.flips("high_degree", given, space="pca", dims=3, gamma=0.2) == [0]


def _in_two_spaces(monkeypatch: pytest.MonkeyPatch, degrees: dict[str, list[int]]) -> None:
    """Make the ranks by degree in the spaces `input` and `features` those of these numbers."""
    monkeypatch.setattr(surrogates, "representation", lambda problem, space, **options: np.array([degrees[space]]).T)
    monkeypatch.setattr(graphs, "radius", lambda *arguments: 0.0)
    monkeypatch.setattr(graphs, "class_graph", lambda points, *rest: points[:, 0])
    monkeypatch.setattr(graphs, "high_degree", lambda scores, budget, rng: np.argsort(-scores)[:budget])


def test_the_intersection_is_taken_first_and_filled_up_by_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    given = toy.problem(np.zeros((8, 2)), budget=2)
    # Of the four largest of each, 2 and 3 are in both; 2 and 3 it is, whatever the rest.
    _in_two_spaces(monkeypatch, {"input": [8, 7, 6, 5, 4, 3, 2, 1], "features": [1, 2, 7, 8, 6, 5, 4, 3]})
    assert toy.flips("degree_intersection", given) == [2, 3]
    # One alone is in both: 3. The smallest sum of ranks of the others fills up: 4, with ranks 4 and 1.
    _in_two_spaces(monkeypatch, {"input": [8, 7, 6, 5, 4, 3, 2, 1], "features": [1, 2, 4, 8, 7, 6, 5, 3]})
    assert toy.flips("degree_intersection", given) == [3, 4]
    # Nothing is in both: the sums of ranks alone decide, which are equal.
    _in_two_spaces(monkeypatch, {"input": [8, 7, 6, 5, 4, 3, 2, 1], "features": [1, 2, 3, 4, 5, 6, 7, 8]})
    assert toy.flips("degree_intersection", given) == [0, 1]


@pytest.mark.parametrize("name", ["degree_bucket", "gaussian_density"])
def test_the_densest_bucket_is_in_the_middle_of_the_class_and_the_sparsest_around_it(name: str) -> None:
    points = np.random.default_rng(2).normal(0.5, 0.1, (100, 2))
    given = toy.problem(points, budget=20)
    away = {
        bucket: np.linalg.norm(points[toy.flips(name, given, bucket=bucket)] - 0.5, axis=1)
        for bucket in ("sparsest", "middle", "densest")
    }
    assert away["densest"].mean() < away["middle"].mean() < away["sparsest"].mean()
    assert away["densest"].max() < np.median(away["sparsest"])
    with pytest.raises(ProtocolError, match="bucket is one of sparsest, sparse, middle, dense, densest; got 'dens'"):
        toy.flips(name, given, bucket="dens")
    with pytest.raises(ValueError, match="bucket is one of nearest, near, middle, far, farthest; got 'dens'"):
        toy.flips("adversarial_path", given, bucket="dens")


def test_min_colouring_scores_a_point_by_the_neighbours_its_colour_is_reached_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = {}

    def pgd(model: object, inputs: torch.Tensor, classes: torch.Tensor, **options: object) -> Attacked:
        seen["classes"] = classes
        none = torch.zeros(2, 1, len(inputs), dtype=torch.bool)
        none[:, :, inputs.flatten(1).sub(0.5).abs().sum(1) < 1e-6] = True  # whatever starts at the hub succeeds …
        return Attacked(none if reached else ~none, none[:, 0], none[:, 0])

    monkeypatch.setattr(adversary, "pgd", pgd)
    monkeypatch.setattr(surrogates, "train", lambda problem, labels: seen.update(colours=labels[0]))
    given = toy.problem(toy.star())
    for reached in (True, False):
        flips = toy.flips("min_colouring", given, gamma=0.2, surrogates=2)
        assert (flips != [0]) is reached  # … so every ray scores, or the hub does
    assert sorted(seen["colours"]) == list(range(7)) and len(seen["classes"]) == 12


def _linear(weights: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> Victims:
    """Make every surrogate the two-class linear model with these weights (d, 2), for inputs that are never negative."""
    d = len(weights)
    parameters = {
        "weight0": torch.eye(d) * 1.0,
        "bias0": torch.full((1, d), 100.0),
        "weight1": torch.from_numpy(weights).float(),
        "bias1": torch.from_numpy(-100 * weights.sum(0, keepdims=True)).float(),
    }
    made = Victims(architecture("mlp", {"width": d, "depth": 1}), {k: p[None] for k, p in parameters.items()})
    monkeypatch.setattr(surrogates, "train", lambda *arguments, **options: made)
    return made


def test_the_boundary_distance_of_a_linear_model_is_its_margin_over_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.array([[0.0, 1.0], [0.0, 2.0]])  # class 1 ahead by x₁ + 2 x₂: ω · 3 less with every step
    victims = _linear(weights, monkeypatch)
    points = np.array([[0.2, 0.1], [0.9, 0.9], [0.5, 0.2], [0.3, 0.95], [0.05, 0.02]])
    margin = points @ np.array([1.0, 2.0])
    order = np.argsort(-np.ceil(margin / (0.01 * 3)))
    for budget in (1, 2, 3):
        given = toy.problem(points, budget=budget)
        assert toy.flips("boundary_distance", given) == sorted(order[:budget])
        assert toy.flips("boundary_distance", given, end="nearest") == sorted(order[::-1][:budget])
    lengths = adversary.path_lengths(
        victims, torch.from_numpy(points).float(), torch.ones(5, dtype=torch.long), targeted=False, step=0.01
    )
    assert (lengths[0].numpy() - np.ceil(margin / 0.03) <= 1).all()
    with pytest.raises(ValueError, match="end is one of farthest, nearest; got 'far'"):
        toy.flips("boundary_distance", given, end="far")


def test_most_of_class_flips_where_most_paths_end(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = np.array([5] * 3 + [50] * 12 + [100] * 4 + [57] * 2)
    monkeypatch.setattr(surrogates, "train", lambda *arguments, **options: None)
    monkeypatch.setattr(adversary, "path_lengths", lambda *arguments, **options: torch.from_numpy(lengths)[None])
    points = np.zeros((len(lengths), 2))
    assert set(toy.flips("most_of_class", toy.problem(points, budget=6))) < set(range(3, 15))
    assert set(toy.flips("most_of_class", toy.problem(points, budget=13))) <= {*range(3, 15), 19, 20}
    assert len(toy.flips("most_of_class", toy.problem(points, budget=21))) == 21
    lengths[:] = 7  # all alike: one bin
    assert len(toy.flips("most_of_class", toy.problem(points, budget=6))) == 6
    with pytest.raises(ValueError, match="bins is at least 1; got 0"):
        toy.flips("most_of_class", toy.problem(points), bins=0)


LENGTHS = np.array([9, 3, 3, 12, 7, 7, 7, 1, 20, 5, 15])


@pytest.mark.parametrize(
    ("bucket", "budget", "flips"),
    [
        ("nearest", 1, [2]),
        ("nearest", 4, [1, 2, 7, 9]),
        ("near", 2, [1, 9]),
        ("middle", 1, [4]),
        ("middle", 4, [0, 4, 5, 6]),
        ("far", 2, [0, 3]),
        ("farthest", 2, [8, 10]),
        ("farthest", 11, list(range(11))),
    ],
)
def test_a_bucket_of_paths_holds_the_fifth_of_the_class_at_its_distance(
    bucket: str, budget: int, flips: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surrogates, "train", lambda *arguments, **options: None)
    monkeypatch.setattr(adversary, "path_lengths", lambda *arguments, **options: torch.from_numpy(LENGTHS)[None])
    given = toy.problem(np.zeros((len(LENGTHS), 2)), budget=budget)
    assert toy.flips("adversarial_path", given, bucket=bucket) == flips


class Seen(Exception):
    """What an attack asks of victims has been seen."""


@pytest.mark.parametrize("name", ["adversarial_path", "boundary_distance", "min_colouring", "most_of_class"])
def test_victims_are_attacked_where_they_are(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The problem's device, of which `meta` is one that every machine has."""

    def attack(model: object, inputs: torch.Tensor, classes: torch.Tensor, **options: object) -> None:
        assert inputs.device.type == classes.device.type == "meta"
        raise Seen

    monkeypatch.setattr(surrogates, "train", lambda *arguments, **options: None)
    monkeypatch.setattr(adversary, "path_lengths", attack)
    monkeypatch.setattr(adversary, "pgd", attack)
    given = toy.problem(toy.star(), device="meta")
    with pytest.raises(Seen):
        toy.attack(name).poison(given)
