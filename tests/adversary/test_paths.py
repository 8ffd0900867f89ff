"""Adversarial paths: the length of a linear model's path in closed form, and every way a path can end."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from adversary.linear import examples, linear, margins, network
from lnbench.adversary import adversarial_paths, path_lengths
from lnbench.errors import ProtocolError

TO_ONE = torch.ones(40, dtype=torch.long)


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize("step", [0.01, 0.03])
def test_a_linear_models_path_has_the_length_of_its_margin(targeted: bool, step: float) -> None:
    model, inputs = linear(), examples()
    margin, weight = margins(model, inputs)
    # One sign step lowers the margin by ω‖Δw‖₁; class 0 wins ties, so the path ends once the margin is below zero.
    expected = (margin / (step * weight.abs().sum(1, keepdim=True))).floor().long() + 1
    expected = torch.where(margin < 0, 0, expected)
    lengths = path_lengths(model, inputs, TO_ONE if targeted else TO_ONE * 0, targeted=targeted, step=step)
    assert torch.equal(lengths, expected)
    assert 5 < lengths.max() < 1000 and (lengths == 0).any()


def test_a_path_that_is_too_long_is_given_up() -> None:
    model, inputs = linear(), examples()
    lengths = path_lengths(model, inputs, TO_ONE)
    capped = path_lengths(model, inputs, TO_ONE, max_steps=10)
    assert torch.equal(capped, torch.where(lengths > 10, 11, lengths))
    assert (capped == 11).any() and (capped == 10).any()


def test_a_box_can_be_in_the_way() -> None:
    model, inputs = linear(), examples()
    free = path_lengths(model, inputs, TO_ONE, step=0.05)
    boxed = path_lengths(model, inputs, TO_ONE, step=0.05, bounds=(0.0, 1.0))
    assert torch.all(boxed >= free) and (boxed > free).any()


def test_recorded_paths_start_at_the_input_and_end_behind_the_boundary() -> None:
    model, inputs = network(), examples()
    classes = torch.zeros(40, dtype=torch.long)
    paths = adversarial_paths(model, inputs, classes, record=True, max_steps=200, chunk=16)
    lengths, points = paths.lengths, paths.points
    assert points is not None
    assert torch.equal(lengths, path_lengths(model, inputs, classes, max_steps=200))
    arrived = lengths <= 200
    assert arrived.double().mean() > 0.5
    assert torch.equal(points[:, :, 0], inputs.expand(3, -1, -1))
    assert torch.equal(model(points[:, :, -1]).argmax(-1) == 0, arrived)
    before = (lengths - 1).clamp(0, points.shape[2] - 1)
    index = before.view(3, 40, 1, 1).expand(-1, -1, 1, 12)
    assert not (model(points.gather(2, index)[:, :, 0]).argmax(-1) == 0)[arrived & (lengths > 0)].any()
    moves = (points[:, :, 1:] - points[:, :, :-1]).abs().amax(-1)
    assert torch.all((moves - 0.01).abs().minimum(moves.abs()) < 1e-12)
    assert torch.equal((moves > 0).sum(-1)[arrived], lengths[arrived])


def test_a_stack_is_walked_as_its_victims_are_one_at_a_time() -> None:
    model, inputs = network(), examples()
    classes = torch.arange(40) % 5
    together = path_lengths(model, inputs, classes, targeted=False, max_steps=100, chunk=7)
    alone = [path_lengths(model.victim(v), inputs, classes, targeted=False, max_steps=100) for v in range(3)]
    assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("broken", ["nan", "flat"])
def test_a_victim_that_gives_no_direction_is_never_crossed(broken: str) -> None:
    def model(x: Tensor) -> Tensor:
        logits = network()(x)
        last = logits[2:] * float("nan") if broken == "nan" else logits[2:] * 0 + torch.arange(5)
        return torch.cat([logits[:2], last])

    classes = torch.zeros(40, dtype=torch.long)
    lengths = path_lengths(model, examples(), classes, max_steps=50)
    assert torch.equal(lengths[:2], path_lengths(network(), examples(), classes, max_steps=50)[:2])
    assert (lengths[2] == 51).all()


def test_no_examples_have_no_paths() -> None:
    paths = adversarial_paths(network(), examples()[:0], torch.zeros(0, dtype=torch.long), record=True)
    assert paths.lengths.shape == (3, 0) and paths.points is not None and paths.points.shape == (3, 0, 1, 12)


@pytest.mark.parametrize("change", [{"step": 0.0}, {"step": float("nan")}, {"max_steps": 0}, {"chunk": 0}])
def test_bad_arguments_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        path_lengths(network(), examples(), TO_ONE, **change)
