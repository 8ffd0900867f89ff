"""Training against label noise: each field against its formula, by autograd, or a case whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lnbench.errors import ProtocolError
from lnbench.protocol import Recipe
from lnbench.victims import Victims, architecture, predicted_bytes, train
from lnbench.victims.checkpoint import held_out
from lnbench.victims.emphasis import Emphasis
from lnbench.victims.optimiser import Optimiser
from lnbench.victims.restraint import moved_uphill
from lnbench.victims.training import _batches, _schedule, _starts

MLP = architecture("mlp", {"width": 12, "depth": 1})


def _recipe(**changes: Any) -> Recipe:
    return Recipe(**{"steps": 6, "batch": 8, "learning_rate": 0.01, **changes})


def _data(n: int = 24, victims: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    inputs = torch.rand(n, 1, 4, 4, generator=generator, dtype=torch.float64)
    return inputs, torch.randint(3, (victims, n), generator=generator)


def _trained(recipe: Recipe, inputs: Tensor, labels: Tensor, **options: Any) -> Victims:
    seeds = list(range(1, len(labels) + 1))
    return train(MLP, recipe, inputs, labels, init=seeds, order=seeds, num_classes=3, **options)


def test_a_recipe_without_these_fields_trains_as_it_always_did() -> None:
    """Bit for bit: the loop as it was before there were any."""
    inputs, labels = _data()
    inputs, recipe = inputs.float(), _recipe()
    made = _trained(recipe, inputs, labels)
    parameters = {k: p.requires_grad_() for k, p in _starts(MLP, (1, 4, 4), 3, [1, 2]).items()}
    optimiser = Optimiser(recipe, list(parameters.values()))
    batches = _batches([np.arange(24)] * 2, recipe, [1, 2])
    for step, index in enumerate(batches):
        logits = MLP.logits(parameters, inputs[index])
        wanted = logits.detach().flatten(0, 1).t().contiguous().log_softmax(0).exp()
        wanted.scatter_add_(0, labels.gather(1, index).view(1, -1), torch.full((1, 16), -1.0))
        pull = wanted.t().reshape(logits.shape).div_(8)
        gradients = torch.autograd.grad(logits, optimiser.parameters, pull)
        optimiser.step(gradients, recipe.learning_rate * _schedule(recipe, step))
    assert all(torch.equal(made.parameters[k], p.detach()) for k, p in parameters.items())
    assert made.steps is None


def _emphasis(recipe: Recipe, weights: Tensor | None = None) -> Emphasis:
    made = Emphasis.asked(recipe, 24, weights)
    assert made is not None
    return made


def _logits() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    return logits.requires_grad_(), torch.randint(3, (2, 5), generator=generator)


@pytest.mark.parametrize("q", [0.05, 0.7, 1.0])
def test_gce_is_its_formula(q: float) -> None:
    logits, classes = _logits()
    own = logits.softmax(-1).gather(-1, classes.unsqueeze(-1))
    (expected,) = torch.autograd.grad(((1 - own**q) / q).sum(), logits)
    came = _emphasis(_recipe(loss="gce", gce_q=q)).pull(logits.detach(), classes)
    torch.testing.assert_close(came, expected)


def test_gce_is_cross_entropy_for_small_q() -> None:
    logits, classes = _logits()
    (expected,) = torch.autograd.grad(F.cross_entropy(logits.flatten(0, 1), classes.flatten(), reduction="sum"), logits)
    came = _emphasis(_recipe(loss="gce", gce_q=1e-9)).pull(logits.detach(), classes)
    torch.testing.assert_close(came, expected)


def test_elr_is_its_formula_and_remembers_each_example() -> None:
    logits, classes = _logits()
    index, emphasis = torch.tensor([[3, 1, 4, 0, 5], [2, 6, 8, 9, 7]]), _emphasis(_recipe(elr=3.0, elr_memory=0.7))
    target = torch.zeros_like(logits).detach()
    for factor in (1.0, 0.5):
        z = (factor * logits).detach().requires_grad_()
        p = z.softmax(-1)
        target = 0.7 * target + 0.3 * p.detach()
        added = 3.0 * (1 - (target * p).sum(-1)).log().sum()
        loss = F.cross_entropy(z.flatten(0, 1), classes.flatten(), reduction="sum") + added
        (expected,) = torch.autograd.grad(loss, z)
        emphasis.begin(index, 0)
        torch.testing.assert_close(emphasis.pull(z.detach(), classes), expected)
        emphasis.begin(index, 0, remember=False)  # SAM's second look
        emphasis.pull(logits.detach(), classes)


def test_what_is_trimmed_is_the_batch_s_largest_losses() -> None:
    logits, classes = _logits()
    losses = F.cross_entropy(logits.detach().flatten(0, 1), classes.flatten(), reduction="none").view(2, 5)
    emphasis = _emphasis(_recipe(trim=0.4))
    emphasis.begin(torch.arange(5).expand(2, -1), 0)
    counts = emphasis.counts(logits.detach(), classes)
    for row, own in zip(counts, losses, strict=True):
        assert row[own.argsort()[:3]].tolist() == pytest.approx([5 / 3] * 3) and row[own.argsort()[3:]].tolist() == [
            0,
            0,
        ]
    ramped = _emphasis(_recipe(trim=0.4, trim_ramp=0.5))  # half of six steps
    kept = []
    for step in range(5):
        ramped.begin(torch.arange(5).expand(2, -1), step)
        kept.append(int((ramped.counts(logits.detach(), classes)[0] > 0).sum()))
    assert kept == [5, 5, 4, 3, 3]


def test_of_two_networks_each_trims_by_the_other_s_losses() -> None:
    logits, classes = _logits()
    classes = classes[:1].expand(2, -1)
    losses = F.cross_entropy(logits.detach().flatten(0, 1), classes.flatten(), reduction="none").view(2, 5)
    emphasis = _emphasis(_recipe(trim=0.4, co_teaching=True))
    emphasis.begin(torch.arange(5).expand(2, -1), 0)
    kept = emphasis.counts(logits.detach(), classes) > 0
    for network, other in ((0, 1), (1, 0)):
        assert sorted(kept[network].nonzero().flatten().tolist()) == sorted(losses[other].argsort()[:3].tolist())


def test_a_weight_is_a_number_of_copies() -> None:
    """The objective of a whole batch with one point of weight 3 is that with three copies of it, at the same scale."""
    inputs, labels = _data(6, 1)
    weights = torch.tensor([[3.0, 1, 1, 1, 1, 1]])
    weighed = _trained(_recipe(batch=6, steps=5), inputs, labels, weights=weights)
    again = torch.tensor([0, 0, 0, 1, 2, 3, 4, 5])
    copied = _trained(_recipe(batch=8, steps=5), inputs[again], labels[:, again])
    for key, value in weighed.parameters.items():
        torch.testing.assert_close(value, copied.parameters[key])


def test_points_of_weight_zero_are_not_there() -> None:
    inputs, labels = _data()
    weights = torch.ones(labels.shape)
    weights[0, [1, 5, 7]] = 0
    weights[1, 20:] = 0
    stack = _trained(_recipe(), inputs, labels, weights=weights)
    for row in range(2):
        kept = weights[row] > 0
        alone = train(
            MLP, _recipe(), inputs[kept], labels[row : row + 1, kept], init=[row + 1], order=[row + 1], num_classes=3
        )
        for key, value in stack.parameters.items():
            torch.testing.assert_close(value[row], alone.parameters[key][0])


@pytest.mark.parametrize(
    "weights", [torch.zeros(2, 24), -torch.ones(2, 24), torch.ones(2, 23), torch.full((2, 24), torch.nan)]
)
def test_weights_that_make_no_sense_are_refused(weights: Tensor) -> None:
    with pytest.raises(ProtocolError, match=r"^expected weights of at least 0 for 2 × 24 labels, of each victim some"):
        _trained(_recipe(), *_data(), weights=weights)


def test_sam_takes_the_gradient_uphill_and_comes_back() -> None:
    parameters = [torch.tensor([[3.0], [0.0]]).requires_grad_(), torch.tensor([[4.0], [1.0]]).requires_grad_()]
    before = [p.detach().clone() for p in parameters]
    with moved_uphill(parameters, before, 0.5):
        moved = torch.cat([(p.detach() - old) for p, old in zip(parameters, before, strict=True)], 1)
        torch.testing.assert_close(moved, torch.tensor([[0.3, 0.4], [0.0, 0.5]]))
    assert all(torch.equal(p.detach(), old) for p, old in zip(parameters, before, strict=True))


def test_points_held_out_are_never_trained_on_and_choose_the_step() -> None:
    inputs, labels = _data(40, 2)
    recipe = _recipe(early_stopping=0.25, steps=60, batch=10, schedule="constant", learning_rate=0.05)
    trained, (places, parts) = held_out([np.arange(40)] * 2, 0.25, [1, 2])
    for row in range(2):
        assert sorted([*trained[row], *places[row].tolist()]) == list(range(40)) and len(places[row]) == 10
    assert places[0].tolist() != places[1].tolist() and parts.sum(1).tolist() == pytest.approx([1, 1])
    stopped = _trained(recipe, inputs, labels)
    assert stopped.steps is not None
    losses = []
    for step in range(4, 61, 4):  # every pass over 40 points
        weights = torch.zeros(2, 40)
        for row in range(2):
            weights[row, trained[row]] = 1.0
        until = _trained(recipe.replaced(early_stopping=0.0, steps=step), inputs, labels, weights=weights)
        logits = until(torch.stack([inputs[p] for p in places]))
        losses.append([F.cross_entropy(z, y[p]).item() for z, y, p in zip(logits, labels, places, strict=True)])
    best = np.argmin(np.array(losses), axis=0)
    assert stopped.steps.tolist() == [4 * (int(at) + 1) for at in best]
    assert (best < 14).all(), "labels at random are not worth learning to the end"


def test_pools_of_different_sizes_are_filled_up() -> None:
    trained, (places, parts) = held_out([np.arange(40), np.arange(8)], 0.25, [1, 2])
    assert [len(t) for t in trained] == [30, 6] and places.shape == (2, 10)
    assert parts[1].tolist() == [0.5, 0.5, *[0.0] * 8] and set(places[1, 2:].tolist()) == {int(places[1, 0])}
    with pytest.raises(
        ProtocolError, match=r"^early stopping holds some training points out, and a victim has a single"
    ):
        held_out([np.arange(1)], 0.5, [1])


def test_the_recipe_s_spectral_norm_is_the_architecture_s() -> None:
    inputs, labels = _data()
    options = {"base": "mlp", "options": {"width": 12, "depth": 1}, "norm": 0.5, "last_norm": 0.5}
    seeds: dict[str, Any] = {"init": [1, 2], "order": [1, 2], "num_classes": 3}
    expected = train(architecture("spectral", options), _recipe(), inputs, labels, **seeds)
    came = _trained(_recipe(spectral_norm=0.5), inputs, labels)
    assert all(torch.equal(came.parameters[k], p) for k, p in expected.parameters.items())
    with pytest.raises(ProtocolError, match="spectral_norm is for the architectures mlp and cnn"):
        train(architecture("spectral", options), _recipe(spectral_norm=0.5), inputs, labels, **seeds)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"loss": "gce", "label_smoothing": 0.1}, "gce takes labels as they are"),
        ({"stop_when_memorised": True, "elr": 1.0}, "it goes with none of elr, co_teaching and early_stopping"),
        ({"gce_q": 0.0}, "recipe: gce_q: expected more than 0, got 0.0"),
        ({"trim": 1.0}, "recipe: trim: expected at most 0.9, got 1.0"),
    ],
)
def test_fields_out_of_range_or_at_odds_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ProtocolError, match=sentence):
        _recipe(**changes)


def test_memory_is_predicted_for_pairs_and_copies() -> None:
    plain = predicted_bytes(MLP, _recipe(), (1, 4, 4), 3, 4, 100)
    for changes in ({"co_teaching": True, "trim": 0.2}, {"early_stopping": 0.1}):
        assert predicted_bytes(MLP, _recipe(**changes), (1, 4, 4), 3, 4, 100) > plain
