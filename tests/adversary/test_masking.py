"""Each doubt is raised by a victim made to raise it, and by no sound one."""

from __future__ import annotations

import pytest
import torch

from adversary.linear import examples, network
from lnbench.adversary import DOUBTS, Attacked, doubts, examine
from lnbench.adversary.doubt import lost
from lnbench.errors import ProtocolError

ZEROS = torch.zeros(40, dtype=torch.long)
OPTIONS = {"targeted": True, "epsilons": [0.05, 0.1, 0.2], "steps": 20}


def raised(model, **change):
    found = examine(model, examples(), ZEROS, generator=torch.Generator().manual_seed(0), **{**OPTIONS, **change})
    assert [d.flag for d in found] == list(DOUBTS)
    assert all(0 <= d.share <= 1 and len(d.cause) > 40 for d in found)
    return {d.flag for d in found if d.raised}


def test_a_sound_attack_raises_no_doubt():
    assert raised(network()) == set()


def test_rounded_inputs_hide_the_gradient_from_pgd_but_not_from_random_search():
    def masked(x):
        return network()((x * 8).round() / 8)

    assert {"zero-gradient", "black-box"} <= raised(masked, epsilons=[0.1, 0.2, 0.3])


def test_an_attack_with_too_few_steps_has_not_converged():
    def curved(x):
        logits = network()(x)
        return logits + 3 * torch.sin(25 * x.flatten(2)).sum(-1, keepdim=True) * torch.arange(5) / 4

    assert "more-steps" in raised(curved, steps=2)


def test_what_a_larger_radius_misses_is_not_monotone():
    broken = torch.tensor([[[True, False], [False, False], [True, True]]])
    assert lost(broken, [0.1, 0.2, 0.3]).tolist() == [[True, False]]
    assert lost(broken, [0.3, 0.2, 0.1]).tolist() == [[True, True]]
    none = torch.zeros(1, 2, dtype=torch.bool)
    found = {d.flag: d for d in doubts(Attacked(broken, none, none), epsilons=[0.1, 0.2, 0.3])}
    assert found["not-monotone"].share == 0.5 and found["not-monotone"].raised
    assert set(found) == {"zero-gradient", "undefined", "not-monotone"}


def test_a_diverged_victim_is_undefined():
    def diverged(x):
        logits = network()(x)
        return torch.cat([logits[:2], logits[2:] * float("nan")])

    assert "undefined" in raised(diverged)


def test_flags_must_fit():
    none = torch.zeros(1, 2, dtype=torch.bool)
    attacked = Attacked(torch.zeros(1, 3, 2, dtype=torch.bool), none, none)
    with pytest.raises(ProtocolError):
        doubts(attacked, epsilons=[0.1, 0.2, 0.3], doubled=none)
    with pytest.raises(ProtocolError):
        doubts(attacked, epsilons=[0.1])
