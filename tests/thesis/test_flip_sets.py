"""Sets of flips along a score: which points they hold, and what is measured of each."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lnbench.thesis import flip_sets, networks, shared_networks


def test_buckets_by_quantile_are_equal_in_size_and_in_the_order_of_the_score() -> None:
    scores = np.random.default_rng(0).permutation(100).astype(float)
    sets = flip_sets.quantile_buckets(scores, 5, 20, np.random.default_rng(1))
    assert [sorted(scores[index]) for index in sets] == [list(range(20 * i, 20 * i + 20)) for i in range(5)]
    few = flip_sets.quantile_buckets(scores, 5, 3, np.random.default_rng(1))
    assert all(len(set(index)) == 3 for index in few)
    assert all(20 * i <= scores[index].min() <= scores[index].max() < 20 * i + 20 for i, index in enumerate(few))


def test_buckets_by_width_are_equal_in_width_and_one_with_few_points_takes_the_nearest() -> None:
    scores = np.concatenate([np.full(90, 10.0), [30.0] * 5, np.full(100, 50.0)])
    sets, inside = flip_sets.width_buckets(scores, 4, 8, np.random.default_rng(0), draws=2)
    assert inside == [90, 0, 5, 0], "the last bucket is open above, and the points at its edge do not count"
    assert len(sets) == 8 and all(len(set(index)) == 8 for index in sets)
    first, third, last = (set(scores[sets[2 * i]]) for i in (0, 2, 3))
    assert first == {10.0} and 30.0 in third and last == {50.0}
    assert set(sets[0]) != set(sets[1]), "two draws of one bucket are not the same"


def test_buckets_by_width_do_not_depend_on_outliers_beyond_the_quantiles() -> None:
    scores = np.arange(101, dtype=float)
    _, inside = flip_sets.width_buckets(scores, 3, 2, np.random.default_rng(0))
    scores[-1] = 1e6
    assert flip_sets.width_buckets(scores, 3, 2, np.random.default_rng(0))[1] == inside == [30, 30, 30]


def test_random_sets_take_as_many_of_every_part() -> None:
    parts = [np.arange(10), np.arange(100, 103)]
    sets = flip_sets.random_sets(parts, 3, 4, np.random.default_rng(0))
    assert len(sets) == 4 and len({tuple(sorted(index)) for index in sets}) > 1
    for index in sets:
        assert len(set(index)) == 6 and sorted(index[index >= 100]) == [100, 101, 102]


@pytest.mark.parametrize(
    ("wrong", "attack"),
    [
        (np.array([6, 6, 6, 5, 5]), {"goals": [5, 5, 5, 6, 6], "targeted": False}),
        ((5, 6), {"goals": [6, 6, 6], "targeted": True}),
    ],
)
def test_every_set_gets_its_own_network_and_its_own_numbers(
    wrong: np.ndarray | tuple[int, int], attack: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With training replaced: the labels of each network, and the numbers returned for it."""
    seen: list[np.ndarray] = []

    class Known:
        """Networks that predict, of every training point, the label they were given."""

        def predict(self, inputs: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(seen[0])

    def train(cell: object, data: object, labels: np.ndarray, report: object, **of: object) -> Known:
        seen.append(labels)
        return Known()

    monkeypatch.setattr(networks, "train", train)
    monkeypatch.setattr(shared_networks, "clean", lambda cell, sample, num_classes: "clean")

    def adversarial_accuracy(
        cell: object, victims: object, inputs: torch.Tensor, goals: torch.Tensor, *, targeted: bool, bounds: object
    ) -> list[float]:
        assert {"goals": goals.tolist(), "targeted": targeted} == attack and len(inputs) == len(goals)
        return [0.0] if victims == "clean" else [0.1 * v for v in range(1, 1 + len(seen[0]))]

    monkeypatch.setattr(networks, "adversarial_accuracy", adversarial_accuracy)
    labels = np.array([5, 5, 5, 6, 6])
    points = np.zeros((5, 1, 28, 28), np.float32)
    sample = networks.Sample(points, labels, points, labels, np.random.default_rng(0), 0)
    groups = {"a": [np.array([0]), np.array([1, 2])], "random": [np.array([3])]}
    result = flip_sets.measure({}, sample, groups, wrong, lambda share: None)
    last = [5, 5, 5, 5 if isinstance(wrong, np.ndarray) else 6, 6]
    assert seen[0].tolist() == [[6, 5, 5, 6, 6], [5, 6, 6, 6, 6], last]
    assert result["clean"] == 0.0
    assert result["aa"] == {"a": pytest.approx([0.1, 0.2]), "random": pytest.approx([0.3])}
    assert result["memorised"] == {"a": [1.0, 1.0], "random": [1.0]}
