"""A clean network is trained once, and again as soon as anything that it depends on is another."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lnbench.thesis import networks, shared_networks

CELL = {"width": 8, "depth": 1, "steps": 5, "batch": 8, "rate": 0.01, "split": 3, "flips": 4}


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, cache: Path) -> list[Any]:
    """A growing list with an entry per training."""
    seen: list[Any] = []
    train = networks.train

    def counted(cell: Any, *rest: Any, **options: Any) -> Any:
        seen.append(cell)
        return train(cell, *rest, **options)

    monkeypatch.setattr(networks, "train", counted)
    return seen


def _sample() -> networks.Sample:
    rng = np.random.default_rng(0)
    inputs, labels = rng.random((40, 1, 4, 4), dtype=np.float32), np.arange(40) % 3
    return networks.Sample(inputs, labels, inputs, labels, rng, seed=7)


def test_another_experiment_gets_the_network_that_the_first_trained(trained: list[Any]) -> None:
    first = shared_networks.clean(CELL, _sample(), num_classes=3)
    again = shared_networks.clean({**CELL, "flips": 9, "epsilon": 0.1}, _sample(), num_classes=3)
    assert len(trained) == 1 and len(again) == 1
    assert first.parameters.keys() == again.parameters.keys()
    assert all(torch.equal(value, again.parameters[name]) for name, value in first.parameters.items())
    points = torch.rand(9, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    alone = networks.train(CELL, _sample(), _sample().labels, num_classes=3)
    assert torch.equal(alone(points[None]), again(points[None]))


@pytest.mark.parametrize("change", [{"width": 9}, {"steps": 6}, {"rate": 0.02}, {"recipe": {"optimiser": "sgd"}}])
def test_another_recipe_or_shape_is_another_network(trained: list[Any], change: dict[str, Any]) -> None:
    for cell in (CELL, {**CELL, **change}):
        shared_networks.clean(cell, _sample(), num_classes=3)
    assert len(trained) == 2


@pytest.mark.parametrize("change", ["seed", "labels", "inputs", "bounds"])
def test_another_sample_is_another_network(trained: list[Any], change: str) -> None:
    sample = _sample()
    changes: dict[str, Any] = {
        "seed": 8,
        "labels": (sample.labels + 1) % 3,
        "inputs": 1 - sample.inputs,
        "bounds": None,
    }
    for some in (sample, dataclasses.replace(sample, **{change: changes[change]})):
        shared_networks.clean(CELL, some, num_classes=3)
    assert len(trained) == 2
