"""The strong adversary is never weaker than PGD, stays in the ball, and finds what theory says is there."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch
from torch import Tensor

from adversary.linear import examples, gain, linear, margins, network
from lnbench.adversary import COMPONENTS, pgd, strong
from lnbench.errors import ProtocolError

ZEROS = torch.zeros(40, dtype=torch.long)
RADII = {"linf": [0.03, 0.06], "l2": [0.1, 0.25], "l1": [0.3, 0.8]}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("targeted", [True, False])
def test_strong_breaks_whatever_pgd_breaks_and_names_who_did(norm: str, targeted: bool) -> None:
    model, inputs = network(), examples()
    options: dict[str, Any] = {"targeted": targeted, "epsilons": RADII[norm], "norm": norm, "steps": 15}
    weak = pgd(model, inputs, ZEROS, **options)
    attacked = strong(model, inputs, ZEROS, **options, generator=seeded(), queries=30)
    assert attacked.components == COMPONENTS
    assert torch.all(attacked.broken | ~weak.broken)
    assert 0.02 < attacked.broken.double().mean() < 0.98
    clean = (model(inputs.unsqueeze(0)).argmax(-1) == 0) == targeted
    assert torch.equal(attacked.by >= 0, attacked.broken & ~clean.unsqueeze(1))
    assert torch.equal(attacked.by == 0, weak.broken & ~clean.unsqueeze(1))


@pytest.mark.parametrize("component", ["apgd-ce", "apgd-dlr", "apgd-t", "square"])
@pytest.mark.parametrize(("norm", "bounds"), [("linf", (0.0, 1.0)), ("linf", None), ("l2", None), ("l1", (0.0, 1.0))])
def test_each_component_alone_nears_the_optimum_of_a_linear_model_and_never_passes_it(
    component: str, norm: str, bounds: tuple[float, float] | None
) -> None:
    model, inputs = linear(), examples()
    margin, weight = margins(model, inputs)
    epsilon = {"linf": 0.08, "l2": 0.35, "l1": 0.8}[norm]
    worst = margin - gain(norm, weight, inputs, epsilon, bounds)
    broken = strong(
        model,
        inputs,
        ZEROS,
        targeted=False,
        epsilons=[epsilon],
        norm=norm,
        bounds=bounds,
        generator=seeded(),
        steps=40,
        queries=300,
        components=(component,),
    ).broken[:, 0]
    possible = worst < 0
    assert not broken[worst > 1e-9].any()
    assert 0.2 < possible[margin > 0].double().mean() < 0.95
    least = 0.9 if component == "square" else 0.97
    assert broken[possible].double().mean() >= least


def test_a_stack_is_attacked_as_its_victims_are_one_at_a_time() -> None:
    model, inputs = network(), examples(shape=(1, 3, 4))
    options: dict[str, Any] = {"targeted": False, "epsilons": [0.02, 0.05], "steps": 8, "queries": 20, "restarts": 2}
    together = strong(model, inputs, ZEROS, **options, generator=seeded(4), chunk=60)
    for v in range(3):
        alone = strong(model.victim(v), inputs, ZEROS, **options, generator=seeded(4))
        assert torch.equal(together.by[v], alone.by[0])


def test_squares_draws_do_not_depend_on_who_is_attacked_together() -> None:
    model, inputs = network(), examples(shape=(1, 3, 4))
    options: dict[str, Any] = {"targeted": False, "epsilons": [0.04, 0.08], "queries": 25, "components": ("square",)}
    together = strong(model, inputs, ZEROS, **options, generator=seeded(4), chunk=60)
    assert 0.05 < (together.by == 0).double().mean() < 0.95
    for v in range(3):
        alone = strong(model.victim(v), inputs, ZEROS, **options, generator=seeded(4))
        assert torch.equal(together.by[v], alone.by[0])


def test_apgd_homes_in_on_a_goal_smaller_than_its_first_steps() -> None:
    inputs = examples(batch=1)
    goal = inputs + 0.037 * torch.where(examples(batch=1, seed=5) < 0.5, -1.0, 1.0)

    def pinhole(x: Tensor) -> Tensor:
        distance = (x.flatten(2) - goal).abs().sum(-1)
        return torch.stack([0.01 - distance, torch.zeros_like(distance)], -1)

    options: dict[str, Any] = {"targeted": True, "epsilons": [0.1], "bounds": None, "components": ("apgd-ce",)}
    attacked = strong(pinhole, inputs, ZEROS[:1], **options, generator=seeded(), steps=200)
    assert attacked.broken.all() and (attacked.by == 0).all()


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
def test_every_input_a_component_asks_about_lies_in_the_ball_and_in_the_box(norm: str) -> None:
    model, inputs = network(victims=1), examples(batch=6, shape=(2, 3, 2))
    seen: list[Tensor] = []

    def watched(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return model(x)

    epsilon = RADII[norm][0]
    strong(
        watched, inputs, ZEROS[:6], targeted=True, epsilons=[epsilon], norm=norm, generator=seeded(), steps=6, queries=9
    )
    order = {"linf": float("inf"), "l2": 2.0, "l1": 1.0}[norm]
    for x in seen:
        offset = (x[:, :, None] - inputs[None, None]).flatten(3)
        nearest = torch.linalg.vector_norm(offset, order, dim=-1).amin(-1)
        assert torch.all(nearest <= epsilon + 1e-9)
        assert torch.all((x >= 0) & (x <= 1))
    assert len(seen) > 15


def test_what_is_broken_already_stays_broken() -> None:
    model, inputs = network(), examples()
    before = torch.zeros(3, 1, 40, dtype=torch.bool)
    before[:, :, ::3] = True
    attacked = strong(
        model, inputs, ZEROS, targeted=True, epsilons=[0.0], generator=seeded(), steps=1, queries=1, broken=before
    )
    clean = (model(inputs.unsqueeze(0)).argmax(-1) == 0).unsqueeze(1)
    assert torch.equal(attacked.broken, before | clean)
    assert (attacked.by == -1).all()
    assert not before[:, :, 1::3].any()


def test_the_schedule_of_apgd_is_the_papers() -> None:
    apgd = importlib.import_module("lnbench.adversary.apgd")
    points: list[int] = []
    interval, least = int(apgd.FIRST * 100), int(apgd.SHORTEST * 100)
    while not points or points[-1] < 100:
        points.append((points[-1] if points else 0) + interval)
        interval = max(interval - int(apgd.SHORTER * 100), least)
    assert points[:6] == [22, 41, 57, 70, 80, 87]


def test_no_examples_and_bad_arguments() -> None:
    model = network()
    none = strong(model, examples()[:0], ZEROS[:0], targeted=True, epsilons=[0.1], generator=seeded())
    assert none.broken.shape == (3, 1, 0) and none.by.shape == (3, 1, 0)
    changes: list[dict[str, Any]] = [{"components": ("cw",)}, {"components": ()}]
    changes += [{"steps": 0}, {"queries": 0}, {"all_targets": -1}]
    for change in changes:
        with pytest.raises(ProtocolError):
            strong(model, examples(), ZEROS, targeted=True, epsilons=[0.1], generator=seeded(), **change)
    with pytest.raises(ProtocolError, match="one flag for each"):
        strong(model, examples(), ZEROS, targeted=True, epsilons=[0.1], generator=seeded(), broken=ZEROS.bool())
