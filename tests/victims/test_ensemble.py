"""Victims of several networks: the mean of their probabilities, and a certificate against exhaustive relabelling."""

from __future__ import annotations

import itertools

import torch

from lnbench.protocol import Recipe
from lnbench.victims import architecture, train
from lnbench.victims.ensemble import Ensemble, certified, together


def test_an_ensemble_is_the_mean_of_its_members() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs, labels = torch.rand(20, 1, 4, 4, generator=generator), torch.randint(3, (4, 20), generator=generator)
    recipe = Recipe(steps=5, batch=8, learning_rate=0.01)
    members = train(
        architecture("mlp", {"width": 8, "depth": 1}),
        recipe,
        inputs,
        labels,
        init=[1, 2, 3, 4],
        order=[1, 2, 3, 4],
        num_classes=3,
    )
    victims = together(members, 2)
    apart = members(inputs.unsqueeze(0)).softmax(-1).view(2, 2, 20, 3)
    torch.testing.assert_close(victims(inputs.unsqueeze(0)).exp(), apart.mean(1))
    assert len(victims) == 2 and victims.features(inputs.unsqueeze(0)).shape == (2, 20, 16)
    family = victims.architecture
    assert isinstance(family, Ensemble)
    votes = family.votes(victims.parameters, inputs.unsqueeze(0))
    assert torch.equal(votes, torch.nn.functional.one_hot(apart.argmax(-1), 3).sum(1))
    assert {name: value.shape[0] for name, value in family.init((1, 4, 4), 3, generator).items()}.keys() == set(
        members.parameters
    )


def test_a_certificate_is_what_no_choice_of_wrong_labels_overturns() -> None:
    """Each wrong label may move one vote anywhere; ties go to the smaller class. Exhaustive for five votes."""
    classes, number = 3, 5
    for cast in itertools.combinations_with_replacement(range(classes), number):
        votes = torch.bincount(torch.tensor(cast), minlength=classes)
        for label in range(classes):
            reached, radius = {tuple(votes.tolist())}, -1
            while all(_winner(v) == label for v in reached) and radius < number:
                radius += 1
                reached = {w for v in reached for w in _moved(v)} | reached
            assert int(certified(votes, torch.tensor(label))) == radius


def _winner(votes: tuple[int, ...]) -> int:
    return max(range(len(votes)), key=lambda c: (votes[c], -c))


def _moved(votes: tuple[int, ...]) -> set[tuple[int, ...]]:
    moved = set()
    for source, target in itertools.permutations(range(len(votes)), 2):
        if votes[source]:
            after = list(votes)
            after[source] -= 1
            after[target] += 1
            moved.add(tuple(after))
    return moved
