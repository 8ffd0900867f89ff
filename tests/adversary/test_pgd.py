"""PGD against theory: closed forms, a linear programme, one victim at a time, no compaction."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from torch import Tensor

import lnbench.adversary.stack as stack
from adversary.linear import examples, gain, linear, margins, network
from lnbench.adversary import PRESETS, fgsm, pgd
from lnbench.errors import ProtocolError

BOX = (0.0, 1.0)


def binding(norm: str, bounds: tuple[float, float] | None, share: float = 0.5) -> float:
    """A radius at which about `share` of the examples with class 0 break, so that the test can fail."""
    model, inputs = linear(), examples()
    margin, weight = margins(model, inputs)
    right = margin > 0
    low, high = 1e-6, 1e3
    for _ in range(80):
        middle = (low * high) ** 0.5
        broken = (gain(norm, weight, inputs, middle, bounds) >= margin)[right].double().mean()
        low, high = (middle, high) if broken < share else (low, middle)
    return high


@pytest.mark.parametrize("targeted", [True, False])
@pytest.mark.parametrize(("norm", "bounds"), [("linf", None), ("linf", BOX), ("l2", None), ("l1", None), ("l1", BOX)])
def test_pgd_reaches_the_closed_form_margin_of_a_two_class_linear_model(
    norm: str, bounds: tuple[float, float] | None, targeted: bool
) -> None:
    model, inputs = linear(), examples()
    margin, weight = margins(model, inputs)
    epsilon = binding(norm, bounds)
    worst = margin - gain(norm, weight, inputs, epsilon, bounds)
    classes = torch.full((len(inputs),), 1 if targeted else 0)
    attacked = pgd(
        model,
        inputs,
        classes,
        targeted=targeted,
        epsilons=[epsilon],
        steps=600,
        norm=norm,
        bounds=bounds,
        rule="last",
        keep_points=True,
    )
    assert attacked.points is not None
    assert 0.3 < (worst < 0)[margin > 0].double().mean() < 0.7
    reached = torch.stack([margins(model.victim(v), x)[0][0] for v, x in enumerate(attacked.points[:, 0])])
    assert torch.all(reached > worst - 1e-9)
    assert torch.allclose(reached, worst, atol=1e-3 * float(margin.abs().max()))
    clear = worst.abs() > 1e-2
    assert torch.equal(attacked.broken[:, 0][clear], (worst < 0)[clear])


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("random", [True, False])
def test_points_stay_in_the_ball_and_in_the_box(norm: str, random: bool) -> None:
    model, inputs = network(), examples()
    start = torch.Generator().manual_seed(0) if random else None
    attacked = pgd(
        model,
        inputs,
        torch.zeros(len(inputs), dtype=torch.long),
        targeted=True,
        epsilons=[0.05, 0.4],
        steps=7,
        norm=norm,
        random_start=start,
        keep_points=True,
    )
    assert attacked.points is not None
    offset = (attacked.points - inputs).flatten(3)
    size = torch.linalg.vector_norm(offset, {"linf": float("inf"), "l2": 2.0, "l1": 1.0}[norm], dim=-1)
    assert torch.all(size <= torch.tensor([0.05, 0.4]).view(1, 2, 1) * (1 + 1e-9))
    assert torch.all((attacked.points >= 0) & (attacked.points <= 1))
    moved = size.amax((0, 2))
    assert moved[0] > 0.049 and moved[1] > 0.2
    for e in range(2):
        predicted = model(attacked.points[:, e]).argmax(-1)
        assert torch.equal(predicted == 0, attacked.broken[:, e])


def test_pgd_of_three_classes_agrees_with_a_linear_programme() -> None:
    model, inputs = linear(victims=2, classes=3), examples(batch=12)
    epsilon, target = 0.12, 2
    attacked = pgd(
        model,
        inputs,
        torch.full((12,), target),
        targeted=True,
        epsilons=[epsilon],
        steps=200,
        rule="any",
        loss="margin",
    )
    exact = torch.zeros(2, 12, dtype=torch.bool)
    slack = torch.zeros(2, 12)
    for v in range(2):
        w, b = model.weight[v].numpy(), model.bias[v].numpy()
        for i, x in enumerate(inputs.numpy()):
            rows = [np.append(w[:, c] - w[:, target], 1.0) for c in (0, 1)]
            limits = [b[target] - b[c] + 0.5 * (w[:, c] - w[:, target]).sum() for c in (0, 1)]
            box = [(max(a - epsilon, 0), min(a + epsilon, 1)) for a in x]
            best = linprog(np.append(np.zeros(12), -1.0), A_ub=rows, b_ub=limits, bounds=[*box, (None, None)])
            slack[v, i] = -best.fun
            exact[v, i] = -best.fun > 0
    clear = slack.abs() > 0.02
    assert clear.double().mean() > 0.8
    assert 0.1 < exact.double().mean() < 0.9
    assert torch.equal(attacked.broken[:, 0][clear], exact[clear])


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("targeted", [True, False])
def test_compaction_changes_no_flag_in_float64(norm: str, targeted: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    model, inputs = network(), examples()
    classes = torch.zeros(len(inputs), dtype=torch.long)
    options: dict[str, Any] = {"targeted": targeted, "epsilons": [0.02, 0.05, 0.1], "steps": 10, "norm": norm}
    if norm != "linf":
        options["epsilons"] = [0.1, 0.3, 0.6]
    compact = pgd(model, inputs, classes, **options)
    widths: list[int] = []

    def whole(done: Tensor, share: float = 0.8) -> None:
        widths.append(done.shape[1])

    monkeypatch.setattr(importlib.import_module("lnbench.adversary.pgd"), "unfinished", whole)
    plain = pgd(model, inputs, classes, **options)
    assert set(widths) == {3 * len(inputs)}
    assert 0.05 < compact.broken.double().mean() < 0.95
    assert torch.equal(compact.broken, plain.broken)
    assert torch.equal(compact.zero_gradient, plain.zero_gradient)


@pytest.mark.parametrize("norm", ["linf", "l2", "l1"])
@pytest.mark.parametrize("rule", ["any", "last"])
def test_a_stack_is_attacked_as_its_victims_are_one_at_a_time(norm: str, rule: str) -> None:
    model, inputs = network(), examples()
    classes = torch.zeros(len(inputs), dtype=torch.long)
    options: dict[str, Any] = {
        "targeted": True,
        "epsilons": [0.05, 0.3],
        "steps": 8,
        "norm": norm,
        "rule": rule,
        "restarts": 2,
    }
    together = pgd(model, inputs, classes, **options, random_start=torch.Generator().manual_seed(3), chunk=50)
    for v in range(3):
        alone = pgd(model.victim(v), inputs, classes, **options, random_start=torch.Generator().manual_seed(3))
        assert torch.equal(together.broken[v], alone.broken[0])
        assert torch.equal(together.zero_gradient[v], alone.zero_gradient[0])


def test_inputs_of_each_victims_own_are_attacked_as_shared_ones_are() -> None:
    model, inputs = network(), examples()
    classes = torch.arange(len(inputs)) % 5
    options: dict[str, Any] = {"targeted": True, "epsilons": [0.05, 0.3], "steps": 6}
    shared = pgd(model, inputs, classes, **options)
    order = torch.stack([torch.randperm(len(inputs), generator=torch.Generator().manual_seed(v)) for v in range(3)])
    own = pgd(model, inputs[order], classes[order], **options)
    for v in range(3):
        assert torch.equal(own.broken[v], shared.broken[v][:, order[v]])


def test_radii_may_be_each_examples_own() -> None:
    model, inputs = network(), examples()
    classes = torch.zeros(len(inputs), dtype=torch.long)
    radii = torch.where(torch.arange(len(inputs)) % 2 == 0, 0.05, 0.3).double()
    curve = pgd(model, inputs, classes, targeted=True, epsilons=[0.05, 0.3], steps=6)
    mixed = pgd(model, inputs, classes, targeted=True, epsilons=radii.unsqueeze(0), steps=6)
    assert torch.equal(mixed.broken[:, 0, ::2], curve.broken[:, 0, ::2])
    assert torch.equal(mixed.broken[:, 0, 1::2], curve.broken[:, 1, 1::2])
    assert not torch.equal(curve.broken[:, 0], curve.broken[:, 1])


def test_restarts_only_ever_break_more() -> None:
    model, inputs = network(), examples()
    classes = torch.zeros(len(inputs), dtype=torch.long)
    options: dict[str, Any] = {"targeted": True, "epsilons": [0.2], "steps": 1, "rule": "last"}
    once = pgd(model, inputs, classes, **options, random_start=torch.Generator().manual_seed(0)).broken
    often = pgd(model, inputs, classes, **options, random_start=torch.Generator().manual_seed(0), restarts=6).broken
    assert torch.all(often | ~once)
    assert often.sum() > once.sum()


def test_fgsm_is_one_step_of_size_epsilon() -> None:
    model, inputs = network(victims=1), examples()
    classes = torch.zeros(len(inputs), dtype=torch.long)
    x = inputs.unsqueeze(0).clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(model(x).flatten(0, 1), classes, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, x)
    expected = (inputs - 0.1 * gradient.sign()).clamp(0, 1)
    attacked = fgsm(model, inputs, classes, targeted=True, epsilons=[0.1], keep_points=True)
    assert attacked.points is not None
    assert torch.allclose(attacked.points[:, 0], expected, atol=1e-12)


def test_the_rule_any_counts_the_clean_input() -> None:
    model, inputs = linear(victims=1), examples()
    clean = model(inputs.unsqueeze(0)).argmax(-1)[0]
    classes = torch.zeros(len(inputs), dtype=torch.long)
    nothing = pgd(model, inputs, classes, targeted=True, epsilons=[0.0], steps=1)
    assert torch.equal(nothing.broken[0, 0], clean == 0)
    assert 0 < nothing.broken.sum() < len(inputs)


def test_the_rule_last_counts_the_last_iterate_alone() -> None:
    """A target class that is a thin band at mean 1, and steps of .5 that jump over it and back.

    Means after 0, 1, 2, … steps: .45 .95 1.45 .95 …, .55 1.05 .55 1.05 …, .7 1.2 .7 1.2 …, .95 1.45 .95 1.45 …; inputs
    that begin below .4 are never in the band, and are so many that nothing leaves the batch.
    """
    means = torch.cat([torch.tensor([0.45, 0.55, 0.7, 0.95]), torch.linspace(0.2, 0.38, 20)]).double()
    inputs, classes = means.unsqueeze(1).expand(-1, 4), torch.zeros(24, dtype=torch.long)

    def band(x: Tensor) -> Tensor:
        distance = (x.flatten(2).mean(-1) - 1).abs()
        return torch.stack([0.1 - distance, torch.zeros_like(distance)], -1)

    def broken(steps: int, rule: str) -> list[bool]:
        options: dict[str, Any] = {"targeted": True, "epsilons": [5.0], "step_size": 0.5, "bounds": None}
        every = pgd(band, inputs, classes, steps=steps, rule=rule, **options).broken[0, 0]
        assert not every[4:].any()
        flags: list[bool] = every[:4].tolist()
        return flags

    for steps in (1, 2, 3):
        assert broken(steps, "any") == [True, True, False, True]
    assert broken(1, "last") == [True, True, False, False]
    assert broken(2, "last") == [False, False, False, True]
    assert broken(3, "last") == [True, True, False, False]


def test_a_random_start_does_not_spare_the_clean_input() -> None:
    inputs = torch.full((7, 5), 0.5, dtype=torch.float64)

    def peak(x: Tensor) -> Tensor:
        distance = (x.flatten(2) - 0.5).abs().sum(-1)
        return torch.stack([0.01 - distance, torch.zeros_like(distance)], -1)

    options: dict[str, Any] = {
        "targeted": True,
        "epsilons": [0.3],
        "steps": 1,
        "random_start": torch.Generator().manual_seed(0),
    }
    attacked = pgd(peak, inputs, torch.zeros(7, dtype=torch.long), **options)
    assert attacked.broken.all() and attacked.zero_gradient.all()
    last = pgd(peak, inputs, torch.zeros(7, dtype=torch.long), **options, rule="last")
    assert not last.broken.any() and last.zero_gradient.all()


def test_presets_are_arguments_of_pgd() -> None:
    model, inputs = network(), examples()
    classes = torch.zeros(len(inputs), dtype=torch.long)
    options: dict[str, Any] = {"targeted": True, "epsilons": [0.05], "steps": 5}
    thesis = pgd(model, inputs, classes, **options, **PRESETS["thesis"]).broken
    assert torch.equal(thesis, pgd(model, inputs, classes, **options, rule="last").broken)
    protocol = pgd(model, inputs, classes, **options, **PRESETS["protocol"]).broken
    assert torch.equal(protocol, pgd(model, inputs, classes, **options).broken)


def test_nan_logits_never_count_as_broken() -> None:
    model, inputs = network(), examples()

    def diverged(x: Tensor) -> Tensor:
        logits = model(x)
        return torch.cat([logits[:1], torch.full_like(logits[1:2], float("nan")), logits[2:]])

    for targeted in (True, False):
        classes = torch.zeros(len(inputs), dtype=torch.long)
        attacked = pgd(diverged, inputs, classes, targeted=targeted, epsilons=[0.05, 0.3], steps=4)
        sound = pgd(model, inputs, classes, targeted=targeted, epsilons=[0.05, 0.3], steps=4)
        assert not attacked.broken[1].any()
        assert attacked.undefined[1].all() and not attacked.undefined[[0, 2]].any()
        assert torch.equal(attacked.broken[[0, 2]], sound.broken[[0, 2]])


def test_zero_gradients_are_reported() -> None:
    def flat(x: Tensor) -> Tensor:
        return torch.stack([x.flatten(2).sum(-1).relu() * 0, x.flatten(2)[..., 0] * 0 + 1], -1)

    attacked = pgd(flat, examples(), torch.zeros(40, dtype=torch.long), targeted=True, epsilons=[0.1], steps=2)
    assert attacked.zero_gradient.all() and not attacked.broken.any()


def test_no_examples_give_no_flags() -> None:
    attacked = pgd(
        network(), examples()[:0], torch.zeros(0, dtype=torch.long), targeted=True, epsilons=[0.1, 0.2], steps=3
    )
    assert (
        attacked.broken.shape == (3, 2, 0)
        and attacked.zero_gradient.shape == (3, 0)
        and attacked.undefined.shape == (3, 0)
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilons": [-0.1]}, "at least 0"),
        ({"epsilons": [float("nan")]}, "at least 0"),
        ({"epsilons": []}, "one or more"),
        ({"steps": 0}, "at least one step"),
        ({"classes": torch.full((40,), 5)}, "0 … 4"),
        ({"classes": torch.full((40,), -1)}, "0 … 4"),
        ({"classes": torch.zeros(39, dtype=torch.long)}, "one class each"),
        ({"classes": torch.zeros(40)}, "integer classes"),
        ({"inputs": examples() + 0.5}, "outside the box"),
        ({"inputs": examples() * float("nan")}, "NaN or infinite"),
        ({"bounds": (1.0, 0.0)}, "low < high"),
        ({"norm": "l3"}, "linf, l2, l1"),
        ({"loss": "hinge"}, "cross-entropy, margin, dlr"),
        ({"rule": "first"}, "'any' or 'last'"),
        ({"restarts": 2}, "random starts"),
        ({"step_size": 0.0}, "positive"),
    ],
)
def test_bad_arguments_are_refused_in_words(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "inputs": examples(),
        "classes": torch.zeros(40, dtype=torch.long),
        "epsilons": [0.1],
        "steps": 2,
    }
    arguments |= change
    with pytest.raises(ProtocolError, match=message):
        pgd(network(), arguments.pop("inputs"), arguments.pop("classes"), targeted=True, **arguments)


def test_a_loss_needs_enough_classes() -> None:
    model, inputs = linear(classes=2), examples()
    with pytest.raises(ProtocolError, match="at least 4 classes"):
        pgd(model, inputs, torch.zeros(40, dtype=torch.long), targeted=True, epsilons=[0.1], steps=1, loss="dlr")


def test_unfinished_pads_rows_with_what_is_done() -> None:
    done = torch.tensor([[True, False, True, True], [False, True, False, True]])
    kept = stack.unfinished(done)
    assert kept is not None and kept.tolist() == [[1, 0], [0, 2]]
    assert stack.unfinished(torch.zeros_like(done)) is None
