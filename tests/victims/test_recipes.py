"""The fields of a recipe: each against what it says it does, and stacks against their victims one at a time."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lnbench.errors import ProtocolError
from lnbench.protocol import AdversarialTraining, Recipe
from lnbench.victims import architecture, train
from lnbench.victims.objectives import Dice, augmented, objective
from lnbench.victims.training import _schedule

MLP = ("mlp", {"width": 16, "depth": 2})
PGD = AdversarialTraining(epsilon=0.1, steps=3)
RECIPES: dict[str, dict[str, Any]] = {
    "label smoothing": {"label_smoothing": 0.2},
    "crop and mirror": {"crop": 2, "mirror": True},
    "pgd": {"adversarial": PGD},
    "pgd, l2": {"adversarial": AdversarialTraining(epsilon=0.5, steps=3, norm="l2")},
    "trades": {"adversarial": AdversarialTraining(method="trades", epsilon=0.1, steps=3)},
    "stop when memorised": {"stop_when_memorised": True, "steps": 300},
    "gce": {"loss": "gce", "gce_q": 0.5},
    "elr": {"elr": 3.0, "steps": 9},
    "trim": {"trim": 0.25},
    "trim, ramped": {"trim": 0.5, "trim_ramp": 0.5},
    "trim under trades": {"trim": 0.25, "adversarial": AdversarialTraining(method="trades", epsilon=0.1, steps=2)},
    "co-teaching": {"co_teaching": True, "trim": 0.25},
    "sam": {"sam": 0.1},
    "sam with elr": {"sam": 0.1, "elr": 1.0, "steps": 9},
    "early stopping": {"early_stopping": 0.25, "steps": 12},
    "spectral norm": {"spectral_norm": 0.5},
}


def _recipe(**changes: Any) -> Recipe:
    return Recipe(**{"steps": 6, "batch": 16, "learning_rate": 0.01, **changes})


def _data(n: int = 40) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    inputs = torch.rand(n, 1, 8, 8, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(4, (3, n), generator=generator)


@pytest.mark.parametrize("name", RECIPES)
def test_a_stack_equals_its_victims_one_at_a_time(name: str) -> None:
    inputs, labels = _data()
    recipe, made = _recipe(**RECIPES[name]), architecture(*MLP)
    stack = train(made, recipe, inputs, labels, init=[3, 1, 4], order=[9, 2, 6], num_classes=4)
    plain = train(made, _recipe(steps=recipe.steps), inputs, labels, init=[3, 1, 4], order=[9, 2, 6], num_classes=4)
    for i in range(3):
        some = slice(i, i + 1)
        alone = train(made, recipe, inputs, labels[some], init=[3, 1, 4][some], order=[9, 2, 6][some], num_classes=4)
        for key, value in stack.parameters.items():
            torch.testing.assert_close(value[i], alone.parameters[key][0], rtol=1e-9, atol=1e-11)
            assert key not in plain.parameters or not torch.equal(value[i], plain.parameters[key][i]), "nothing changes"


@pytest.mark.parametrize(
    ("schedule", "shares"),
    [
        ("constant", [1, 1, 1, 1]),
        ("linear", [1, 0.75, 0.5, 0.25]),
        ("cosine", [1, 0.853553, 0.5, 0.146447]),
        ("one-cycle", [0.833333, 0.811745, 0.283058, 0]),
    ],
)
def test_the_schedules_shares_of_the_peak(schedule: str, shares: list[float]) -> None:
    recipe = _recipe(steps=4, schedule=schedule)
    assert [_schedule(recipe, step) for step in range(4)] == pytest.approx(shares, abs=1e-6)


def test_label_smoothing_is_pytorchs() -> None:
    logits = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64).requires_grad_()
    classes = torch.tensor([[0, 1, 2, 3, 0], [3, 3, 1, 0, 2]])
    _, (pull,) = objective(
        _recipe(label_smoothing=0.3), lambda x: logits, lambda x: logits, torch.zeros(2, 5, 1), classes, None, None
    )
    loss = F.cross_entropy(logits.flatten(0, 1), classes.flatten(), label_smoothing=0.3, reduction="sum")
    torch.testing.assert_close(pull, torch.autograd.grad(loss, logits)[0])


def test_augmentation_moves_at_most_the_crop_and_mirrors_half() -> None:
    inputs = torch.zeros(1, 1, 9, 9)
    inputs[0, 0, 4, 3] = 1
    place = torch.zeros(2, 4000, dtype=torch.int64)
    moved = augmented(inputs, place, _recipe(crop=2, mirror=True), Dice([1, 2], inputs.device))
    victim, example, _, row, column = moved.nonzero().T
    assert len(example) == 8000, "a pixel this far from the border stays in the image"
    counts = torch.zeros(9, 9).index_put_((row, column), torch.ones(8000), accumulate=True)
    # Rows 2 … 6 alike; columns 1 … 5 or, mirrored, 3 … 7, so that 3 … 5 come twice as often.
    wanted = torch.zeros(9, 9)
    wanted[2:7, 1:8] = torch.tensor([1, 1, 2, 2, 2, 1, 1]) * 8000 / 50
    assert counts[wanted == 0].sum() == 0
    assert ((counts - wanted).abs() <= 5 * wanted.sqrt()).all()
    assert not torch.equal(moved[0], moved[1])
    assert victim.bincount().tolist() == [4000, 4000]


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_training_adversary_reaches_the_closed_form_of_a_linear_network(norm: Literal["linf", "l2"]) -> None:
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(3, 12, 2, generator=generator, dtype=torch.float64)
    examples = torch.rand(3, 7, 12, generator=generator, dtype=torch.float64)
    classes = torch.randint(2, (3, 7), generator=generator)
    seen: list[Tensor] = []

    def network(x: Tensor) -> Tensor:
        seen.append(x)
        return (x @ weight).requires_grad_()

    against = AdversarialTraining(epsilon=0.3, norm=norm, steps=40, step_factor=10.0)
    bounds = (0.0, 1.0) if norm == "linf" else None
    objective(
        _recipe(adversarial=against), network, network, examples, classes, Dice([1, 2, 3], examples.device), bounds
    )
    away = (weight[..., 1] - weight[..., 0]).unsqueeze(1) * (1 - 2 * classes).unsqueeze(-1)
    if norm == "linf":
        wanted = (examples + 0.3 * away.sign()).clamp(0, 1)
    else:
        wanted = examples + 0.3 * away / away.norm(dim=-1, keepdim=True)
    torch.testing.assert_close(seen[-1], wanted, rtol=1e-4, atol=1e-4)
    assert (seen[0] - examples).abs().max() > 0.1, "it starts at a random point"


def test_trades_pulls_are_the_gradients_of_its_loss() -> None:
    inputs, labels = _data(8)
    recipe = _recipe(adversarial=AdversarialTraining(method="trades", epsilon=0.1, steps=3, beta=4.0))
    generator = torch.Generator().manual_seed(2)
    weight = torch.randn(2, 64, 4, generator=generator, dtype=torch.float64)
    examples = inputs.expand(2, *inputs.shape)
    (clean, moved), pulls = objective(
        recipe,
        lambda x: (x.flatten(2) @ weight).requires_grad_(),
        lambda x: x.flatten(2) @ weight,
        examples,
        labels[:2],
        Dice([1, 2], inputs.device),
        (0.0, 1.0),
    )
    loss = F.cross_entropy(clean.flatten(0, 1), labels[:2].flatten(), reduction="sum")
    divergence = F.kl_div(moved.log_softmax(-1), clean.softmax(-1), reduction="sum")
    for pull, wanted in zip(pulls, torch.autograd.grad(loss + 4.0 * divergence, (clean, moved)), strict=True):
        torch.testing.assert_close(pull, wanted)
    assert divergence > 0.01


@pytest.mark.slow
def test_adversarially_trained_victims_withstand_more() -> None:
    from lnbench.adversary import pgd

    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    inputs = 0.25 * torch.rand(60, 1, 4, 4, generator=generator) + 0.2 * labels.view(-1, 1, 1, 1)
    made, broken = architecture(*MLP), {}
    for method in ("pgd", "trades", None):
        against = None if method is None else AdversarialTraining(method=method, epsilon=0.08)
        recipe = _recipe(steps=300, adversarial=against)
        victims = train(made, recipe, inputs, labels.expand(2, -1), init=[1, 2], order=[3, 4], num_classes=3)
        broken[method] = float(
            pgd(victims, inputs, labels, targeted=False, epsilons=[0.08], steps=10).broken.double().mean()
        )
    assert max(broken["pgd"], broken["trades"]) < 0.7 * broken[None]


def test_a_victim_stops_after_the_pass_that_memorises_and_one_that_cannot_goes_on() -> None:
    inputs, labels = _data()
    inputs[1] = inputs[0]
    labels[:, 1], labels[1, 1] = labels[:, 0], (labels[1, 0] + 1) % 4
    recipe = _recipe(steps=300, stop_when_memorised=True)
    victims = train(architecture(*MLP), recipe, inputs, labels, init=[1, 2, 3], order=[4, 5, 6], num_classes=4)
    assert victims.steps is not None
    first, second, third = victims.steps.tolist()
    assert second == 300
    assert max(first, third) < 300
    assert first % 3 == third % 3 == 0, "checked once a pass of ⌈40 / 16⌉ steps"
    right = victims.predict(inputs).eq(labels)
    assert right[0].all() and right[2].all() and not right[1].all()


def test_precision_is_the_forward_passs_and_refused_where_the_device_lacks_it() -> None:
    inputs, labels = _data()
    fixed: dict[str, Any] = {"init": [1, 2, 3], "order": [4, 5, 6], "num_classes": 4}
    made, some = architecture(*MLP), inputs.float()
    full = train(made, _recipe(), some, labels, **fixed).parameters
    half = train(made, _recipe(precision="bf16"), some, labels, **fixed).parameters
    for name, value in full.items():
        assert half[name].dtype == torch.float32
        assert not torch.equal(half[name], value)
        torch.testing.assert_close(half[name], value, rtol=0, atol=0.1)
    with pytest.raises(ProtocolError, match="tf32 exists on CUDA devices alone, and this training runs on cpu"):
        train(made, _recipe(precision="tf32"), some, labels, **fixed)


def test_victims_with_the_same_batches_share_them_in_bfloat16_and_are_as_if_alone() -> None:
    inputs, labels = _data()
    recipe, images = _recipe(precision="bf16"), torch.nn.functional.interpolate(inputs.float(), size=12)
    fixed: dict[str, Any] = {"num_classes": 4}
    for name, options in (MLP, ("cnn", {"channels": [4], "kernel": 3, "stride": 2, "hidden": 8})):
        made = architecture(name, options)
        together = train(made, recipe, images, labels, init=[1, 2, 3], order=[4, 4, 4], **fixed).parameters
        for row in range(3):
            alone = train(made, recipe, images, labels[row : row + 1], init=[row + 1], order=[4], **fixed).parameters
            for key, value in alone.items():
                torch.testing.assert_close(together[key][row : row + 1], value, rtol=0, atol=0.02)
        apart = train(made, recipe, images, labels, init=[1, 2, 3], order=[4, 5, 6], **fixed).parameters
        assert any(float((apart[key][1] - together[key][1]).abs().max()) > 0.02 for key in apart)


def test_a_crop_that_does_not_fit_is_refused() -> None:
    inputs, labels = _data()
    with pytest.raises(ProtocolError, match=r"crop = 8, the data has shape \(1, 8, 8\)"):
        train(architecture(*MLP), _recipe(crop=8), inputs, labels[:1], init=[1], order=[1], num_classes=4)
    with pytest.raises(ProtocolError, match=r"only images .* the data has shape \(64,\)"):
        train(
            architecture(*MLP), _recipe(mirror=True), inputs.flatten(1), labels[:1], init=[1], order=[1], num_classes=4
        )
