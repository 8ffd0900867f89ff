"""The victims of the shipped tracks of photographs: each of their recipes trains, on a few small steps of its own."""

from __future__ import annotations

import pytest
import torch

from lnbench.protocol import VictimSpec
from lnbench.protocol import track as tracks
from lnbench.victims import architecture, train

_TRACKS = [tracks.load(name) for name in tracks.names()]
_ALL = [(f"{t.name}/{v.name}", v) for t in _TRACKS for v in t.victims if v.architecture == "timm"]
VICTIMS = {name: v for i, (name, v) in enumerate(_ALL) if v not in [other for _, other in _ALL[:i]]}
"""Each once: the JPEG copy of a track has the same ones."""
_LONG = {"cifar10-9to0/resnet18", "cifar10-9to0/vgg", "cifar10-9to0-at/resnet18"}
"""Those of which two steps take ten seconds of a processor."""


@pytest.mark.parametrize(
    "victim",
    [pytest.param(v, id=name, marks=[pytest.mark.slow] if name in _LONG else []) for name, v in VICTIMS.items()],
)
def test_the_victims_of_a_track_of_photographs_train(victim: VictimSpec) -> None:
    network = architecture(victim.architecture, victim.options)
    recipe = victim.recipe.replaced(steps=2, batch=4, precision="fp32")  # a CPU only imitates bfloat16
    made = train(
        network,
        recipe,
        torch.rand((4, 3, 32, 32), generator=torch.Generator().manual_seed(0)),
        torch.arange(4).unsqueeze(0),
        init=[0],
        order=[0],
        num_classes=10,
    )
    first = network.init((3, 32, 32), 10, torch.Generator().manual_seed(0))
    assert not made.diverged.any()
    assert set(made.parameters) == set(first)
    assert made(torch.zeros(1, 2, 3, 32, 32)).shape == (1, 2, 10)


def test_those_that_take_long_are_there() -> None:
    assert _LONG < set(VICTIMS)


def test_the_adversarially_trained_track_trains_on_the_radius_it_is_attacked_at() -> None:
    track = tracks.load("cifar10-9to0-at")
    (victim,) = track.victims
    against = victim.recipe.adversarial
    assert against is not None and against.method == "pgd"
    assert against.epsilon == track.epsilon(victim) == round(8 / 255, 5)
    assert against.norm == track.adversary.norm
    assert victim.memorised_min is None
    plain = tracks.load("cifar10-9to0")
    assert (track.data, track.noise, track.limits) == (plain.data, plain.noise, plain.limits)
