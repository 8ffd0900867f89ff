"""The surrogates a poisoner trains are the referee's victims, counted."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

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


def test_inputs_and_classes_go_to_the_victims(problem: Problem) -> None:
    """Arrays, and tensors on any device and in any type; `meta` is a device that every machine has."""
    here = surrogates.train(problem, problem.labels, seed=0, steps=1)
    there = dataclasses.replace(here, parameters={k: p.to("meta") for k, p in here.parameters.items()})
    inputs, classes = problem.inputs[:7], problem.labels[:7]
    for x, y in ((inputs, classes), (torch.from_numpy(inputs), torch.from_numpy(classes))):
        for made in (
            surrogates.logits(there, x),
            surrogates.features(there, x),
            surrogates.losses(there, x, y),
            surrogates.input_gradients(there, x, y),
        ):
            assert made.device.type == "meta" and made.shape[:2] == (1, 7)
    assert surrogates.losses(there, inputs, torch.from_numpy(classes).to("meta", torch.int32)).device.type == "meta"
    assert torch.equal(
        surrogates.attack(here, torch.from_numpy(inputs).double(), torch.from_numpy(classes), problem),
        surrogates.attack(here, inputs, classes, problem),
    )


def test_losses_and_gradients_are_those_of_the_cross_entropy(problem: Problem) -> None:
    victims = surrogates.train(problem, np.tile(problem.labels, (2, 1)), seed=0, steps=3)
    losses = surrogates.losses(victims, problem.inputs[:7], problem.labels[:7])
    scores = surrogates.logits(victims, problem.inputs[:7])
    for i in range(2):
        wanted = F.cross_entropy(scores[i], torch.from_numpy(problem.labels[:7]), reduction="none")
        torch.testing.assert_close(losses[i], wanted)
    gradient = surrogates.input_gradients(victims, problem.inputs[:7], problem.labels[:7])
    step = torch.from_numpy(problem.inputs[:7]) - 1e-3 * gradient[0] / gradient[0].flatten(1).norm(dim=1).view(
        -1, 1, 1, 1
    )
    assert (surrogates.losses(victims, step, problem.labels[:7])[0] < losses[0]).all()
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


def test_harm_is_the_share_of_untouched_points_that_the_adversary_breaks(problem: Problem) -> None:
    sets = problem.eligible[np.array([[0, 1], [2, 3], [4, 5]])]
    harms = surrogates.harm(problem, sets, seed=5, radii=(0.5, 1.0), steps=40, block=2)
    assert harms.shape == (3,) and ((harms >= 0) & (harms <= 1)).all()
    assert np.array_equal(harms, surrogates.harm(problem, sets, seed=5, radii=(0.5, 1.0), steps=40, block=2))

    # The first block again, by hand.
    rng = np.random.default_rng(5)
    some = np.sort(rng.choice(problem.eligible, len(problem.eligible), replace=False))
    labels = np.stack([problem.flipped(s) for s in sets[:2]])
    victims = surrogates.train(problem, labels, seed=int(rng.integers(2**62)), steps=40)
    broken = surrogates.attack(
        victims, problem.inputs[some], np.zeros(len(some), int), problem, epsilons=(0.05, 0.1)
    ).numpy()
    for row in range(2):
        untouched = ~np.isin(some, sets[row])
        assert harms[row] == pytest.approx(broken[row][:, untouched].mean())

    more = surrogates.harm(problem, sets, seed=5, radii=(2.0,), steps=40)
    assert (more >= surrogates.harm(problem, sets, seed=5, radii=(0.25,), steps=40)).all()


def test_harm_of_several_architectures_is_their_mean_and_of_every_point_is_nothing(problem: Problem) -> None:
    sets = problem.eligible[np.array([[0, 1], [2, 3]])]
    fresh = [dataclasses.replace(problem, rng=np.random.default_rng(1)) for _ in range(2)]
    mean = surrogates.ensemble_harm(fresh[0], sets, ["mlp", "cnn"], steps=5)
    single = [surrogates.harm(fresh[1], sets, victim=v, steps=5) for v in ("mlp", "cnn")]
    np.testing.assert_allclose(mean, np.mean(single, axis=0))
    assert surrogates.harm(problem, problem.eligible[None], steps=5).tolist() == [0.0]
    assert surrogates.harm(problem, sets[:0], steps=5).tolist() == []


def test_harm_stops_measuring_when_time_is_short(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surrogates, "_slowest", {})
    late = dataclasses.replace(problem, deadline=0.0)
    before = surrogates.trainings_spent()
    assert np.isnan(surrogates.harm(late, problem.eligible[np.array([[0], [1]])])).all()
    assert surrogates.trainings_spent() == before

    # A surrogate takes far longer than there is time: none is begun. Of two architectures, blocks are finished in turn.
    soon = dataclasses.replace(problem, deadline=time.monotonic() + 60)
    sets = problem.eligible[np.arange(4)[:, None]]
    surrogates._slowest["mlp"] = 1000.0
    assert np.isnan(surrogates.harm(soon, sets, steps=2)).all() and surrogates.trainings_spent() == before
    surrogates._slowest.clear()
    real = surrogates.train

    def slow_at_last(*arguments: Any, **options: Any) -> Any:
        made = real(*arguments, **options)
        surrogates._slowest.update({"mlp": 1000.0} if surrogates.trainings_spent() >= before + 4 else {})
        return made

    monkeypatch.setattr(surrogates, "train", slow_at_last)
    harms = surrogates.ensemble_harm(soon, sets, ["mlp", "cnn"], steps=2, block=2)
    assert np.isfinite(harms[:2]).all() and np.isnan(harms[2:]).all()
    assert surrogates.trainings_spent() == before + 4


def test_representations_of_the_eligible_points(problem: Problem) -> None:
    points = problem.inputs[problem.eligible].reshape(len(problem.eligible), -1)
    np.testing.assert_allclose(surrogates.representation(problem, "input"), points)
    low = surrogates.representation(problem, "pca", dims=3)
    assert low.shape == (len(points), 3)
    whole = surrogates.representation(problem, "pca", dims=64)  # a rotation: all distances stay
    np.testing.assert_allclose(
        np.linalg.norm(whole[0] - whole[1]), np.linalg.norm(points[0].astype(float) - points[1]), rtol=1e-6
    )
    two = surrogates.representation(problem, "features", surrogates=2, victim="mlp")
    assert two.shape == (len(points), 2 * 128)
    np.testing.assert_allclose((two**2).sum(1).mean(), 2.0, rtol=1e-6)
    with pytest.raises(ProtocolError, match="of space input, pca or features; got 'pixels'"):
        surrogates.representation(problem, "pixels")
    with pytest.raises(ProtocolError, match="at least one principal direction; got dims = 0"):
        surrogates.representation(problem, "pca", dims=0)
