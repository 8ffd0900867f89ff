"""Closed-form logit gradients against automatic differentiation and against the published formulas."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lnbench.adversary.losses import LOSSES, ascent, check_loss, objective
from lnbench.errors import ProtocolError


def logits() -> Tensor:
    return torch.randn(3, 7, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


CLASSES = torch.arange(21).view(3, 7) % 6
RIVALS = (CLASSES + 2) % 6


@pytest.mark.parametrize("rivals", [None, RIVALS])
@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_ascent_is_the_gradient_of_the_objective(loss: str, targeted: bool, rivals: Tensor | None) -> None:
    z = logits().requires_grad_()
    value = objective(z, CLASSES, targeted=targeted, loss=loss, rivals=rivals)
    (expected,) = torch.autograd.grad(value.sum(), z)
    slope = ascent(z.detach(), CLASSES, targeted=targeted, loss=loss, rivals=rivals)
    assert torch.allclose(slope, expected, atol=1e-12)
    assert slope.abs().sum(-1).double().median() > 0.1


def test_cross_entropy_is_torchs() -> None:
    z = logits()
    expected = torch.nn.functional.cross_entropy(z.flatten(0, 1), CLASSES.flatten(), reduction="none").view(3, 7)
    assert torch.allclose(objective(z, CLASSES, targeted=False), expected)
    assert torch.allclose(objective(z, CLASSES, targeted=True), -expected)


def test_margin_is_positive_exactly_when_the_goal_is_reached() -> None:
    z = logits()
    predicted = z.argmax(-1)
    assert torch.equal(objective(z, CLASSES, targeted=True, loss="margin") > 0, predicted == CLASSES)
    assert torch.equal(objective(z, CLASSES, targeted=False, loss="margin") > 0, predicted != CLASSES)


def test_dlr_is_the_published_formula() -> None:
    z = torch.tensor([[5.0, 1.0, 3.0, 2.0]], dtype=torch.float64)
    right, wrong, target = torch.tensor([0]), torch.tensor([2]), torch.tensor([3])
    assert objective(z, right, targeted=False, loss="dlr").item() == pytest.approx(-(5 - 3) / (5 - 2))
    assert objective(z, wrong, targeted=False, loss="dlr").item() == pytest.approx((5 - 3) / (5 - 2))
    expected = -(5 - 2) / (5 - (2 + 1) / 2)
    assert objective(z, target, targeted=True, loss="dlr", rivals=right).item() == pytest.approx(expected)
    assert objective(z, target, targeted=True, loss="dlr").item() == pytest.approx(expected)


def test_dlr_ignores_scale_and_shift() -> None:
    z = logits()
    for targeted in (True, False):
        value = objective(z, CLASSES, targeted=targeted, loss="dlr")
        assert torch.allclose(objective(1000 * z + 7, CLASSES, targeted=targeted, loss="dlr"), value, atol=1e-9)


@pytest.mark.parametrize(("loss", "targeted", "classes"), [("dlr", True, 3), ("dlr", False, 2), ("hinge", True, 9)])
def test_losses_that_are_not_there_are_refused(loss: str, targeted: bool, classes: int) -> None:
    with pytest.raises(ProtocolError):
        check_loss(loss, targeted, classes)
