"""The toy data has the distribution that the thesis states."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from lnbench.thesis import toy_data


def test_gaussians_have_the_stated_means_and_labels() -> None:
    inputs, labels = toy_data.gaussians(20000, 9, 1.0, np.random.default_rng(0), sigma=0.5)
    assert np.allclose(inputs[labels == 1].mean(0), 1.0, atol=0.02)
    assert np.allclose(inputs[labels == 0].mean(0), -1.0, atol=0.02)
    assert np.allclose(inputs[labels == 1].std(0), 0.5, atol=0.02)
    assert (labels == (inputs.sum(1) >= 0)).all()


def test_poisons_lie_at_their_distance_and_go_all_ways() -> None:
    inputs, near_class = toy_data.poisons(500, 4, 2.0, 3.0, np.random.default_rng(1))
    for label, mean in ((0, -2.0), (1, 2.0)):
        away = inputs[near_class == label] - mean
        assert np.allclose(np.linalg.norm(away, axis=1), 3.0, atol=1e-5)
        assert np.abs(away.mean(0)).max() < 0.25


def test_a_seed_has_the_same_clean_draws_whatever_the_poisons() -> None:
    size: dict[str, Any] = {"n": 30, "test": 10, "d": 4, "mu": 1.0, "per_class": 2}
    clean = toy_data.poisoned_sets([5, 6], **size, radius=None, third=False)
    third = toy_data.poisoned_sets([5, 6], **size, radius=0.0, third=True)
    assert torch.equal(clean.inputs, third.inputs[:, :30])
    assert torch.equal(clean.test_inputs, third.test_inputs)
    assert third.labels[0, 30:].tolist() == [2, 2, 2, 2]
    assert not torch.equal(clean.inputs[0], clean.inputs[1])
    far = toy_data.poisoned_sets([5], **size, radius=50.0, third=False)
    near = toy_data.poisoned_sets([5], **size, radius=0.0, third=False)
    assert near.labels[0, 30:].tolist() == [1, 1, 0, 0] and not near.label_is_true.any()
    assert far.label_is_true.any()
