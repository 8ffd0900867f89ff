"""The surrogates a poisoner trains are the referee's victims, counted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lnbench import surrogates
from lnbench.errors import ProtocolError
from lnbench.protocol.poisoner import Problem, Threat
from lnbench.protocol.recipe import Recipe


@pytest.fixture
def problem() -> Problem:
    rng = np.random.default_rng(3)
    return Problem(
        inputs=rng.random((60, 1, 8, 8), dtype=np.float32),
        labels=rng.integers(0, 3, 60),
        num_classes=3,
        budget=2,
        pairs=((1, 0),),
        threat=Threat("linf", 0.1, 5),
        rng=np.random.default_rng(0),
    )


@pytest.mark.parametrize("victim", ["mlp", "cnn"])
def test_a_block_changes_nothing_but_rounding_and_every_training_is_counted(problem: Problem, victim: str) -> None:
    labels = np.tile(problem.labels, (5, 1))
    before = surrogates.trainings_spent()
    whole = surrogates.train(problem, labels, victim=victim, seed=1, steps=5)
    parts = surrogates.train(problem, labels, victim=victim, seed=1, steps=5, block=2)
    assert surrogates.trainings_spent() - before == 10
    assert len(whole) == len(parts) == 5
    for name, value in whole.parameters.items():
        torch.testing.assert_close(value, parts.parameters[name], rtol=1e-3, atol=1e-4)


def test_the_defaults_memorise_their_labels(problem: Problem) -> None:
    flipped = problem.flipped(problem.eligible[:2])
    victims = surrogates.train(problem, flipped, seed=0, steps=200)
    predicted = surrogates.logits(victims, problem.inputs).argmax(-1)[0].numpy()
    assert (predicted == flipped).mean() > 0.95


def test_losses_and_gradients_are_those_of_the_cross_entropy(problem: Problem) -> None:
    victims = surrogates.train(problem, np.tile(problem.labels, (2, 1)), seed=0, steps=3)
    found = surrogates.losses(victims, problem.inputs[:7], problem.labels[:7])
    scores = surrogates.logits(victims, problem.inputs[:7])
    for i in range(2):
        wanted = F.cross_entropy(scores[i], torch.from_numpy(problem.labels[:7]), reduction="none")
        torch.testing.assert_close(found[i], wanted)
    gradient = surrogates.input_gradients(victims, problem.inputs[:7], problem.labels[:7])
    step = torch.from_numpy(problem.inputs[:7]) - 1e-3 * gradient[0] / gradient[0].flatten(1).norm(dim=1).view(
        -1, 1, 1, 1
    )
    assert (surrogates.losses(victims, step, problem.labels[:7])[0] < found[0]).all()
    assert surrogates.features(victims, problem.inputs[:7]).shape == (2, 7, 128)


def test_the_problems_adversary_breaks_more_at_a_larger_radius(problem: Problem) -> None:
    victims = surrogates.train(problem, np.tile(problem.labels, (2, 1)), seed=0, steps=100)
    source = problem.inputs[problem.labels == 1]
    broken = surrogates.attack(victims, source, np.zeros(len(source), dtype=int), problem, epsilons=(0.001, 0.5))
    assert broken.shape == (2, 2, len(source))
    assert broken[:, 0].float().mean() < broken[:, 1].float().mean()


def test_flips_to_a_class_that_clean_data_never_has(problem: Problem) -> None:
    labels = problem.labels.copy()
    labels[:4] = problem.num_classes
    with pytest.raises(ProtocolError, match="labels must be 0 … 2; got 0 … 3"):
        surrogates.train(problem, labels, seed=0, steps=2)
    victims = surrogates.train(problem, labels, seed=0, steps=200, extra_classes=1)
    scores = surrogates.logits(victims, problem.inputs)
    assert scores.shape == (1, 60, 4)
    assert scores[0].argmax(-1)[:4].tolist() == [3] * 4


def test_surrogates_may_stop_when_they_have_memorised(problem: Problem) -> None:
    labels = np.tile(problem.labels, (3, 1))
    victims = surrogates.train(problem, labels, seed=0, stop_when_memorised=True, block=2)
    assert victims.steps is not None
    assert (victims.steps < 800).all()
    assert (surrogates.logits(victims, problem.inputs).argmax(-1).numpy() == labels).all()


def test_an_architecture_without_defaults_takes_options_and_a_recipe(problem: Problem) -> None:
    recipe = Recipe(steps=3, batch=8, learning_rate=0.01)
    options = {"base": "mlp", "options": {"width": 8, "depth": 1}}
    victims = surrogates.train(problem, problem.labels, victim="spectral", options=options, recipe=recipe, seed=0)
    assert surrogates.logits(victims, problem.inputs).shape == (1, 60, 3)
    with pytest.raises(ProtocolError, match="there is no default recipe for 'spectral'; pass options and recipe"):
        surrogates.train(problem, problem.labels, victim="spectral", options=options)


def test_without_a_seed_the_problems_generator_is_used(problem: Problem) -> None:
    first = surrogates.train(problem, problem.labels, steps=2).parameters["weight0"]
    second = surrogates.train(problem, problem.labels, steps=2).parameters["weight0"]
    assert not torch.equal(first, second)


def test_unknown_names_are_refused(problem: Problem) -> None:
    with pytest.raises(ProtocolError, match="a recipe has no field 'step'; did you mean steps"):
        surrogates.train(problem, problem.labels, step=3)
    with pytest.raises(ProtocolError, match="recipe: steps: expected at least 1, got 0"):
        surrogates.train(problem, problem.labels, steps=0)
    with pytest.raises(ProtocolError, match="no architecture is called 'resnet'"):
        surrogates.train(problem, problem.labels, victim="resnet")
