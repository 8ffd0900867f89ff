"""Stacked training against a plain loop, and what a stack promises."""

from __future__ import annotations

import math
import re
from typing import Any, Literal

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lnbench.errors import ProtocolError
from lnbench.protocol import Recipe
from lnbench.protocol.seeds import permutation
from lnbench.victims import architecture, train

MLP = ("mlp", {"width": 16, "depth": 2})
CNN = ("cnn", {"channels": [4, 6], "kernel": 3, "padding": 1, "hidden": 8})
STRIDED_CNN = ("cnn", {"channels": [4, 6], "kernel": 3, "padding": 1, "stride": 2, "hidden": 8})
LARGE_CNN = ("cnn", {"channels": [3, 4], "kernel": 5, "hidden": 8})


def _data(n: int = 40, side: int = 8, classes: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    inputs = torch.rand(n, 1, side, side, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(classes, (5, n), generator=generator)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize(("name", "options", "side"), [(*MLP, 8), (*CNN, 8), (*STRIDED_CNN, 8), (*LARGE_CNN, 28)])
def test_a_stack_equals_its_victims_one_at_a_time(
    name: str, options: dict[str, Any], side: int, optimiser: Literal["adam", "sgd"]
) -> None:
    inputs, labels = _data(side=side)
    recipe = Recipe(steps=7, batch=16, learning_rate=0.01, optimiser=optimiser, weight_decay=1e-3)
    made, init, order = architecture(name, options), [3, 1, 4, 1, 5], [9, 2, 6, 5, 3]
    stack = train(made, recipe, inputs, labels, init=init, order=order, num_classes=4)
    for i in range(5):
        alone = train(
            made, recipe, inputs, labels[i : i + 1], init=init[i : i + 1], order=order[i : i + 1], num_classes=4
        )
        for key, value in stack.parameters.items():
            torch.testing.assert_close(value[i], alone.parameters[key][0], rtol=1e-9, atol=1e-11)


class _PlainCNN(torch.nn.Module):
    def __init__(self, stride: int) -> None:
        super().__init__()
        self.conv0 = torch.nn.Conv2d(1, 4, 3, stride=stride, padding=1)
        self.conv1 = torch.nn.Conv2d(4, 6, 3, stride=stride, padding=1)
        self.pool = torch.nn.MaxPool2d(2) if stride == 1 else torch.nn.Identity()
        self.linear0, self.linear1 = torch.nn.Linear(24, 8), torch.nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(F.relu(self.conv0(x)))
        x = self.pool(F.relu(self.conv1(x)))
        logits: torch.Tensor = self.linear1(F.relu(self.linear0(x.flatten(1))))
        return logits


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
def test_training_equals_a_plain_pytorch_loop(optimiser: Literal["adam", "sgd"], stride: int) -> None:
    inputs, labels = _data()
    recipe = Recipe(steps=6, batch=16, learning_rate=0.01, optimiser=optimiser, weight_decay=0.01)
    made = architecture("cnn", CNN[1] | {"stride": stride})
    start = made.init((1, 8, 8), 4, torch.Generator().manual_seed(11))
    plain = _PlainCNN(stride).double()
    with torch.no_grad():
        for i in range(2):
            getattr(plain, f"conv{i}").weight.copy_(start[f"kernel{i}"])
            getattr(plain, f"conv{i}").bias.copy_(start[f"shift{i}"])
            getattr(plain, f"linear{i}").weight.copy_(start[f"weight{i}"].T)
            getattr(plain, f"linear{i}").bias.copy_(start[f"bias{i}"][0])
    if optimiser == "adam":
        optim: torch.optim.Optimizer = torch.optim.AdamW(plain.parameters(), lr=0.01, weight_decay=0.01)
    else:
        optim = torch.optim.SGD(plain.parameters(), lr=0.01, momentum=0.9, nesterov=True, weight_decay=0.01)
    order = permutation(40, 77, rounds=3)
    for step in range(6):
        done = (step + 1) / 6
        share = done / 0.3 if done < 0.3 else 0.5 + 0.5 * math.cos(math.pi * (done - 0.3) / 0.7)
        optim.param_groups[0]["lr"] = 0.01 * share
        index = torch.from_numpy(order[step * 16 : (step + 1) * 16])
        optim.zero_grad()
        F.cross_entropy(plain(inputs[index]), labels[0, index]).backward()
        optim.step()
    ours = train(made, recipe, inputs, labels[:1], init=[11], order=[77], num_classes=4)
    with torch.no_grad():
        torch.testing.assert_close(ours(inputs.unsqueeze(0))[0], plain(inputs), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("name", "options", "side"), [(*MLP, 8), (*CNN, 8), (*STRIDED_CNN, 8), (*LARGE_CNN, 28)])
def test_input_gradients_equal_finite_differences(name: str, options: dict[str, Any], side: int) -> None:
    inputs, labels = _data(n=4, side=side)
    recipe = Recipe(steps=2, batch=4, learning_rate=0.01)
    victims = train(
        architecture(name, options), recipe, inputs, labels[:2, :4], init=[1, 2], order=[1, 2], num_classes=4
    )
    x = inputs.unsqueeze(0).repeat(2, 1, 1, 1, 1).requires_grad_()
    weight = torch.arange(32, dtype=torch.float64).reshape(2, 4, 4)
    (gradient,) = torch.autograd.grad((victims(x) * weight).sum(), x)
    direction = torch.rand(x.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    with torch.no_grad():
        there, back = victims(x + 1e-6 * direction), victims(x - 1e-6 * direction)
    numeric = ((there - back) * weight).sum() / 2e-6
    torch.testing.assert_close((gradient * direction).sum(), numeric, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "options"), [MLP, CNN, STRIDED_CNN])
def test_victims_with_points_of_their_own_share_one_resident_set(name: str, options: dict[str, Any]) -> None:
    inputs, labels = _data()
    recipe = Recipe(steps=9, batch=8, learning_rate=0.01)
    subset = torch.stack([torch.randperm(40, generator=torch.Generator().manual_seed(v))[:24] for v in range(3)])
    made, own = architecture(name, options), labels[:3, :24]
    stack = train(made, recipe, inputs, own, init=[3, 1, 4], order=[9, 2, 6], num_classes=4, subset=subset)
    for i in range(3):
        alone = train(
            made, recipe, inputs[subset[i]], own[i : i + 1], init=[[3, 1, 4][i]], order=[[9, 2, 6][i]], num_classes=4
        )
        for key, value in stack.parameters.items():
            torch.testing.assert_close(value[i], alone.parameters[key][0], rtol=1e-9, atol=1e-11)
    shared, every = stack.predict(inputs), stack.predict(inputs, subset, chunk=7)
    assert torch.equal(every, shared.gather(1, subset))
    with pytest.raises(ProtocolError, match="and a subset of 2 rows"):
        train(made, recipe, inputs, own, init=[3, 1, 4], order=[9, 2, 6], num_classes=4, subset=subset[:2])


def test_every_example_is_seen_equally_often() -> None:
    orders = permutation(10, 123, rounds=4)
    assert np.bincount(orders).tolist() == [4] * 10
    assert not np.array_equal(orders[:10], orders[10:20])


def test_predictions_do_not_depend_on_the_chunk() -> None:
    inputs, labels = _data()
    recipe = Recipe(steps=5, batch=16, learning_rate=0.01)
    victims = train(architecture(*CNN), recipe, inputs, labels[:2], init=[1, 2], order=[1, 2], num_classes=4)
    assert torch.equal(victims.predict(inputs, chunk=7), victims.predict(inputs, chunk=40))
    assert victims.features(inputs.unsqueeze(0)).shape == (2, 40, 8)


def test_a_victim_whose_weights_explode_is_marked_and_its_neighbour_is_not() -> None:
    inputs, labels = _data()
    recipe = Recipe(steps=5, batch=16, learning_rate=0.01)
    victims = train(architecture(*MLP), recipe, inputs, labels[:2], init=[1, 2], order=[1, 2], num_classes=4)
    assert victims.diverged.tolist() == [False, False]
    victims.parameters["weight1"][1, 0, 0] = float("nan")
    assert victims.diverged.tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("mpl", {}, "no architecture is called 'mpl'; did you mean mlp?"),
        ("mlp", {"widht": 3}, "has no option 'widht'; did you mean width"),
        ("mlp", {"width": 0}, "option width: expected something like 128, got 0"),
        ("mlp", {"width": "9"}, "option width: expected something like 128, got '9'"),
        ("cnn", {"channels": []}, "option channels"),
        ("cnn", {"channels": [8, True]}, "option channels"),
    ],
)
def test_an_unknown_architecture_or_option_is_refused_with_the_nearest_name(
    name: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(ProtocolError, match=re.escape(said)):
        architecture(name, options)


def test_a_network_too_deep_for_the_images_is_refused() -> None:
    made = architecture("cnn", {"channels": [4, 4, 4], "kernel": 5})
    with pytest.raises(ProtocolError, match="too deep for 8×8 images"):
        made.init((1, 8, 8), 4, torch.Generator())
    with pytest.raises(ProtocolError, match="takes square images"):
        made.init((64,), 4, torch.Generator())


def test_labels_outside_the_classes_and_shapes_that_do_not_fit_are_refused() -> None:
    inputs, labels = _data()
    recipe = Recipe(steps=1, batch=4, learning_rate=0.01)
    with pytest.raises(ProtocolError, match="labels must be 0 … 2; got 0 … 3"):
        train(architecture(*MLP), recipe, inputs, labels[:1], init=[1], order=[1], num_classes=3)
    with pytest.raises(ProtocolError, match="got 39 inputs"):
        train(architecture(*MLP), recipe, inputs[1:], labels[:1], init=[1], order=[1], num_classes=4)
