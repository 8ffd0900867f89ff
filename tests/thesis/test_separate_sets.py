"""Victims with training sets of their own train as victims do alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from lnbench.errors import ProtocolError
from lnbench.protocol.recipe import Recipe
from lnbench.thesis.separate_sets import train_separately
from lnbench.victims import Victims, architecture, train

RECIPE = Recipe(steps=12, batch=8, learning_rate=0.01)


def _data(victims: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(victims, 40, 5, generator=generator), torch.randint(0, 3, (victims, 40), generator=generator)


@pytest.mark.parametrize("family", ["mlp", "spectral"])
def test_victims_with_data_of_their_own_train_as_they_do_alone(family: str) -> None:
    inputs, labels = _data(3)
    options: dict[str, Any] = {"width": 7, "depth": 2}
    made = architecture(family, options if family == "mlp" else {"options": options, "last_norm": 5.0})
    whole = train_separately(
        made, RECIPE, inputs.double(), labels, init=[1, 2, 3], order=[4, 5, 6], num_classes=3
    ).parameters
    for v in range(3):
        alone = train(
            made, RECIPE, inputs[v].double(), labels[v : v + 1], init=[v + 1], order=[v + 4], num_classes=3
        ).parameters
        for name, value in alone.items():
            torch.testing.assert_close(whole[name][v], value[0], rtol=1e-9, atol=1e-12)


def test_the_victims_that_are_watched_are_the_ones_that_are_trained() -> None:
    inputs, labels = _data(2)
    made, seen = architecture("mlp", {"width": 7, "depth": 2}), {}

    def watch(step: int, victims: Victims) -> None:
        seen[step] = {name: value.clone() for name, value in victims.parameters.items()}

    victims = train_separately(made, RECIPE, inputs, labels, init=[1, 2], order=[3, 4], num_classes=3, watch=watch)
    assert sorted(seen) == list(range(1, 13))
    for name, value in victims.parameters.items():
        assert torch.equal(seen[12][name], value) and not torch.equal(seen[5][name], seen[6][name])


def test_victims_that_cannot_compute_at_once_are_refused() -> None:
    inputs, labels = _data(2)
    made = architecture("timm", {"model": "resnet18"})
    with pytest.raises(ProtocolError, match="stacks compute at once"):
        train_separately(made, RECIPE, inputs, labels, init=[1, 2], order=[3, 4], num_classes=3)


def test_what_is_trained_on_is_what_perturb_gives() -> None:
    inputs, labels = _data(2)
    made = architecture("mlp", {"width": 7, "depth": 2})
    asked = []

    def perturb(model: object, batch: Tensor, classes: Tensor) -> Tensor:
        asked.append((batch, classes))
        return batch + 1

    options: dict[str, Any] = {"init": [1, 2], "order": [3, 4], "num_classes": 3}
    moved = train_separately(made, RECIPE, inputs, labels, **options, perturb=perturb).parameters
    wanted = train_separately(made, RECIPE, inputs + 1, labels, **options).parameters
    for name, value in wanted.items():
        torch.testing.assert_close(moved[name], value, rtol=1e-5, atol=1e-6)
    for batch, classes in asked:  # each batch's labels are those of its points
        for v in range(2):
            rows = (batch[v][:, None] == inputs[v][None]).all(-1).int().argmax(1)
            assert torch.equal(labels[v][rows], classes[v])


def test_shapes_that_do_not_fit_are_refused() -> None:
    inputs, labels = _data(2)
    made = architecture("mlp", {"width": 7, "depth": 2})
    with pytest.raises(ProtocolError, match="one label per input"):
        train_separately(made, RECIPE, inputs, labels[:, :-1], init=[1, 2], order=[3, 4], num_classes=3)
