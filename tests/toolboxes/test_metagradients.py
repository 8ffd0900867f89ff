"""First-order influence and unrolled training, against finite differences and closed forms."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from lnbench import metagradients, surrogates
from lnbench.protocol.poisoner import Problem, Threat
from lnbench.victims import Victims, architecture


@pytest.fixture
def problem() -> Problem:
    rng = np.random.default_rng(4)
    return Problem(
        inputs=rng.random((40, 1, 4, 4), dtype=np.float32),
        labels=rng.integers(0, 3, 40),
        num_classes=3,
        budget=2,
        pairs=((1, 0),),
        threat=Threat("linf", 0.1, 5),
        rng=np.random.default_rng(0),
    )


def _double(victims: Victims) -> Victims:
    return Victims(victims.architecture, {k: p.double() for k, p in victims.parameters.items()})


def _moved(victims: Victims, direction: dict[str, torch.Tensor], step: float) -> Victims:
    return Victims(victims.architecture, {k: p + step * direction[k] for k, p in victims.parameters.items()})


@pytest.mark.parametrize("victim", ["mlp", "cnn"])
def test_slopes_are_directional_derivatives_of_the_lead(problem: Problem, victim: str) -> None:
    victims = _double(surrogates.train(problem, np.tile(problem.labels, (2, 1)), victim=victim, seed=0, steps=5))
    points = problem.eligible[:6]
    generator = torch.Generator().manual_seed(0)
    way = {k: torch.randn(p.shape, generator=generator).double() for k, p in victims.parameters.items()}
    slopes = metagradients.flip_slopes(victims, problem, points, way)

    def lead(step: float) -> torch.Tensor:
        scores = _moved(victims, way, step)(torch.from_numpy(problem.inputs[points]).double().unsqueeze(0))
        return scores[..., 0] - scores[..., 1]

    torch.testing.assert_close(slopes, (lead(1e-6) - lead(-1e-6)) / 2e-6, rtol=1e-5, atol=1e-5)
    for place, i in enumerate(points):
        gradient = metagradients.flip_gradients(victims, problem, int(i))
        torch.testing.assert_close(slopes[:, place], metagradients.inner(gradient, way))
    torch.testing.assert_close(metagradients.norms(way) ** 2, metagradients.inner(way, way))


def test_the_slope_in_closed_form_for_the_last_bias(problem: Problem) -> None:
    """The lead z_target − z_source grows by exactly b_target − b_source when the output's biases do."""
    victims = surrogates.train(problem, np.tile(problem.labels, (2, 1)), seed=0, steps=3)
    way = {k: torch.zeros_like(p) for k, p in victims.parameters.items()}
    way["bias2"][:, 0] = torch.tensor([[3.0, -1.0, 7.0], [0.5, 0.5, 0.0]])
    slopes = metagradients.flip_slopes(victims, problem, problem.eligible, way)
    torch.testing.assert_close(slopes, torch.tensor([[4.0], [0.0]]).expand_as(slopes))


def test_a_step_along_the_adversarial_gradient_raises_the_adversarial_loss(problem: Problem) -> None:
    victims = surrogates.train(problem, np.tile(problem.labels, (2, 1)), seed=0, steps=100)
    points = problem.eligible
    uphill = metagradients.adversarial_gradients(victims, problem, points)
    before = metagradients.adversarial_loss(victims, problem, points)
    after = metagradients.adversarial_loss(_moved(victims, uphill, 1e-2), problem, points)
    assert after > before + 1e-3
    assert metagradients.adversarial_loss(_moved(victims, uphill, -1e-2), problem, points) < before


def test_worst_points_stay_in_ball_and_box_and_the_radius_binds(problem: Problem) -> None:
    victims = surrogates.train(problem, np.tile(problem.labels, (2, 1)), seed=0, steps=50)
    points = problem.eligible
    moved = metagradients.worst_points(victims, problem, points, epsilon=0.05)
    offsets = moved - torch.from_numpy(problem.inputs[points])
    assert moved.shape == (2, len(points), 1, 4, 4)
    assert 0.05 - 1e-6 < offsets.abs().max() <= 0.05 + 1e-6 and 0 <= moved.min() and moved.max() <= 1
    further = metagradients.worst_points(victims, problem, points) - torch.from_numpy(problem.inputs[points])
    assert further.abs().max() > 0.09


@pytest.mark.parametrize("victim", ["mlp", "cnn"])
def test_metagradients_are_finite_differences(problem: Problem, victim: str) -> None:
    """Float64, a few steps: the gradient of an outcome of training with respect to every relaxed label."""
    options = (
        {"width": 5, "depth": 1} if victim == "mlp" else {"channels": (3,), "kernel": 3, "padding": 1, "hidden": 4}
    )
    spots = torch.from_numpy(problem.inputs[:7]).double().unsqueeze(0)

    def outcome(flip: torch.Tensor) -> torch.Tensor:
        trained = metagradients.unrolled(problem, flip, victim=victim, options=options, seed=3, steps=6, batch=16)
        scores = trained(spots)
        return (scores[..., 0] - scores[..., 1]).sum()

    flip = torch.full((len(problem.eligible),), 0.3, dtype=torch.float64, requires_grad=True)
    (metagradient,) = torch.autograd.grad(outcome(flip), flip)
    assert metagradient.abs().max() > 1e-4
    for i in range(len(flip)):
        step = torch.zeros_like(flip)
        step[i] = 1e-5
        with torch.enable_grad():
            numeric = (outcome((flip + step).detach()) - outcome((flip - step).detach())) / 2e-5
        torch.testing.assert_close(metagradient[i], numeric.detach(), rtol=1e-4, atol=1e-8)


def test_unrolled_training_on_hard_labels_is_plain_momentum_descent(problem: Problem) -> None:
    before = surrogates.trainings_spent()
    none = torch.zeros(len(problem.eligible), dtype=torch.float64)
    options = {"width": 6, "depth": 1}
    network = metagradients.unrolled(problem, none, options=options, seed=1, steps=8, batch=40, learning_rate=0.1)
    assert surrogates.trainings_spent() == before + 1

    made = architecture("mlp", options)
    first = int(np.random.SeedSequence(1).generate_state(2, np.uint64)[0]) >> 1
    start = made.init((1, 4, 4), 3, torch.Generator().manual_seed(first))
    parameters = {k: v.double().unsqueeze(0).requires_grad_() for k, v in start.items()}
    optimiser = torch.optim.SGD(list(parameters.values()), 0.1, momentum=0.9)
    inputs, labels = torch.from_numpy(problem.inputs).double().unsqueeze(0), torch.from_numpy(problem.labels)
    for _ in range(8):  # the batch is the whole set, in whatever order
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(made.logits(parameters, inputs)[0], labels).backward()
        optimiser.step()
    for name, value in network.parameters.items():
        torch.testing.assert_close(value, parameters[name])


def test_a_certain_flip_trains_like_the_flipped_label(problem: Problem) -> None:
    flip = torch.zeros(len(problem.eligible))
    flip[[0, 3]] = 1.0
    soft = metagradients.unrolled(problem, flip, seed=2, steps=5)
    hard = dataclasses.replace(problem, labels=problem.flipped(problem.eligible[[0, 3]]), pairs=((2, 0),))
    plain = metagradients.unrolled(hard, torch.zeros(len(hard.eligible)), seed=2, steps=5)
    for name, value in soft.parameters.items():
        torch.testing.assert_close(value, plain.parameters[name])


def test_the_adversarial_loss_is_differentiable_through_training(problem: Problem) -> None:
    flip = torch.full((len(problem.eligible),), 0.5, requires_grad=True)
    trained = metagradients.unrolled(problem, flip, seed=0, steps=20)
    metagradients.adversarial_loss(trained, problem, problem.eligible).backward()
    assert flip.grad is not None and flip.grad.abs().max() > 0
    # More flips help the adversary: on the whole the gradient is positive.
    assert flip.grad.sum() > 0
