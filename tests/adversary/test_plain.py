"""The fast PGD is the plain one: the same examples broken, at the same points, for each victim and radius alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from adversary.linear import Network, examples, network
from lnbench.adversary import Model, pgd
from lnbench.adversary.plain import plain_pgd

RADII = {"linf": [0.03, 0.08, 0.15], "l2": [0.1, 0.3, 0.5]}


def shaped(model: Network, shape: tuple[int, ...]) -> Model:
    """The victims, of inputs that are images."""
    return lambda x: model(x.reshape(*x.shape[: -len(shape)], -1))


def single(model: Model) -> Model:
    """The only victim of a stack, of a batch without the victim axis."""
    return lambda x: model(x.unsqueeze(0))[0]


@pytest.mark.parametrize("bounds", [(0.0, 1.0), None, (-0.1, 1.05)])
@pytest.mark.parametrize("rule", ["any", "last"])
@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("norm", RADII)
def test_the_fast_pgd_is_the_plain_one(
    norm: str, targeted: bool, rule: str, bounds: tuple[float, float] | None
) -> None:
    model, shape = network(), (3, 2, 2)
    inputs = examples(shape=shape)
    classes = torch.arange(40) % 5 if targeted else model(inputs.flatten(1).unsqueeze(0))[0].argmax(-1)
    common: dict[str, Any] = {"targeted": targeted, "steps": 9, "norm": norm, "rule": rule, "bounds": bounds}
    fast = pgd(shaped(model, shape), inputs, classes, epsilons=RADII[norm], keep_points=True, **common)
    assert fast.points is not None
    for victim in range(3):
        alone = single(shaped(model.victim(victim), shape))
        for e, epsilon in enumerate(RADII[norm]):
            broken, points = plain_pgd(alone, inputs, classes, epsilon=epsilon, **common)
            assert torch.equal(fast.broken[victim, e], broken)
            assert torch.allclose(fast.points[victim, e], points, atol=1e-12)
    shares = fast.broken.double().mean((0, 2))
    assert 0 < shares[0] < shares[2] < 1


def test_the_rules_and_the_box_make_a_difference() -> None:
    inputs, classes = examples(), torch.zeros(40, dtype=torch.long)

    def one(x: Tensor) -> Tensor:
        return network(victims=1)(x.unsqueeze(0))[0]

    usual: dict[str, Any] = {"targeted": True, "epsilon": 0.15, "steps": 4}

    def broken(**change: Any) -> Tensor:
        return plain_pgd(one, inputs, classes, **(usual | change))[0].sum()

    assert broken(rule="any", step_factor=9.0) > broken(rule="last", step_factor=9.0)
    assert broken(bounds=None) > broken()
    assert broken(epsilon=0.0) == (one(inputs).argmax(1) == 0).sum()


def test_a_nan_logit_breaks_nothing_and_no_gradient_takes_no_step() -> None:
    inputs, classes = examples(), torch.zeros(40, dtype=torch.long)
    for targeted in (True, False):
        common: dict[str, Any] = {"targeted": targeted, "epsilon": 0.3, "steps": 3}
        assert not plain_pgd(lambda x: x[:, :5] * float("nan"), inputs, classes, **common)[0].any()
        for norm in RADII:
            points = plain_pgd(lambda x: x[:, :5] * 0, inputs, classes, norm=norm, rule="last", **common)[1]
            assert torch.equal(points, inputs)
