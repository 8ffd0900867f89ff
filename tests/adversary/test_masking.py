"""Each sign of masking is shown by victims made to show it, and by no sound ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from adversary.linear import examples, network
from lnbench.adversary import SIGNS, Attacked, Model, pgd, signs_of_masking, strong
from lnbench.adversary.masking import not_monotone
from lnbench.errors import ProtocolError

ZEROS = torch.zeros(40, dtype=torch.long)


def shown(model: Model, epsilons: Sequence[float] = (0.05, 0.1, 0.2), steps: int = 20) -> set[str]:
    """Flags of the signs that an attack, the same with twice the steps, and Square together show."""
    common: dict[str, Any] = {"targeted": True, "epsilons": epsilons}
    once, twice = (pgd(model, examples(), ZEROS, steps=s, **common) for s in (steps, 2 * steps))
    search = strong(
        model,
        examples(),
        ZEROS,
        generator=torch.Generator().manual_seed(0),
        queries=200,
        components=("square",),
        broken=once.broken,
        **common,
    )
    shares = signs_of_masking(once, epsilons=epsilons, doubled=twice.broken, black_box=search.broken)
    assert list(shares) == list(SIGNS) and all(0 <= share <= 1 for share in shares.values())
    return {flag for flag, share in shares.items() if share > SIGNS[flag].limit}


def test_a_sound_attack_shows_no_sign() -> None:
    assert shown(network()) == set()


def test_rounded_inputs_hide_the_gradient_from_pgd_but_not_from_random_search() -> None:
    def masked(x: Tensor) -> Tensor:
        return network()((x * 8).round() / 8)

    assert {"zero-gradient", "black-box"} <= shown(masked, epsilons=[0.1, 0.2, 0.3])


def test_an_attack_with_too_few_steps_has_not_converged() -> None:
    def curved(x: Tensor) -> Tensor:
        logits = network()(x)
        return logits + 3 * torch.sin(25 * x.flatten(2)).sum(-1, keepdim=True) * torch.arange(5) / 4

    assert "more-steps" in shown(curved, steps=2)


def test_what_a_larger_radius_misses_is_not_monotone() -> None:
    broken = torch.tensor([[[True, False], [False, False], [True, True]]])
    assert not_monotone(broken, [0.1, 0.2, 0.3]).tolist() == [[True, False]]
    assert not_monotone(broken, [0.3, 0.2, 0.1]).tolist() == [[True, True]]
    none = torch.zeros(1, 2, dtype=torch.bool)
    shares = signs_of_masking(Attacked(broken, none, none), epsilons=[0.1, 0.2, 0.3])
    assert shares == {"zero-gradient": 0.0, "undefined": 0.0, "not-monotone": 0.5}
    assert shares["not-monotone"] > SIGNS["not-monotone"].limit


def test_a_diverged_victim_is_undefined() -> None:
    def diverged(x: Tensor) -> Tensor:
        logits = network()(x)
        return torch.cat([logits[:2], logits[2:] * float("nan")])

    assert "undefined" in shown(diverged)


def test_flags_must_fit() -> None:
    none = torch.zeros(1, 2, dtype=torch.bool)
    attacked = Attacked(torch.zeros(1, 3, 2, dtype=torch.bool), none, none)
    with pytest.raises(ProtocolError):
        signs_of_masking(attacked, epsilons=[0.1, 0.2, 0.3], doubled=none)
    with pytest.raises(ProtocolError):
        signs_of_masking(attacked, epsilons=[0.1])
