"""Signs of gradient masking: that a low success rate is the attack's weakness and not the victims' strength.

After AutoAttack's own checks (Croce & Hein 2020, `flags_doc.md`) and Athalye, Carlini & Wagner 2018. Masking works
backwards here: a weak attack flatters whichever arm is harder to attack, so every arm has to be looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lnbench.adversary.pgd import Attacked
from lnbench.errors import ProtocolError
from lnbench.protocol.weakness import NOT_MONOTONE, ZERO_GRADIENT


@dataclass(frozen=True)
class Sign:
    """One sign of masking.

    Attributes:
        limit: the sign is there when the measured share is larger.
        text: what is measured, and what it points to.
    """

    limit: float
    text: str


SIGNS: dict[str, Sign] = {
    "zero-gradient": Sign(
        ZERO_GRADIENT,
        "share of (victim, example) whose loss has no input gradient at the clean input: saturated softmax, dead units "
        "or underflow leave a gradient attack nothing to follow; trust the strong adversary's margin and black-box "
        "attacks.",
    ),
    "undefined": Sign(
        0.0,
        "share of (victim, example) with a NaN logit at some iterate: a diverged victim; where all logits are NaN the "
        "example counts as not broken.",
    ),
    "not-monotone": Sign(
        NOT_MONOTONE,
        "share of (victim, example) broken at some radius and not at a larger one: balls are nested, so the attack at "
        "the larger radius missed a point it could have found; its steps are too long there, or too few.",
    ),
    "more-steps": Sign(
        0.01,
        "share of (victim, radius, example) that only twice the steps break: the attack had not converged.",
    ),
    "black-box": Sign(
        0.002,
        "share of (victim, radius, example) that random search breaks and the gradient attack does not: its gradients "
        "mislead it.",
    ),
}
"""Every sign by its flag."""


def signs_of_masking(
    attacked: Attacked,
    *,
    epsilons: Sequence[float],
    doubled: Tensor | None = None,
    black_box: Tensor | None = None,
) -> dict[str, float]:
    """How often an attack, with others beside it, shows each sign of masking: flag -> share in [0, 1].

    Flags are in the order of `SIGNS`; those that need an attack that is not given are left out.

    Args:
        attacked: the attack.
        epsilons: its radii, in the order of its flags.
        doubled: (victim, epsilon, batch) bool: what the same attack with twice the steps broke.
        black_box: (victim, epsilon, batch) bool: what an attack without gradients broke.

    Raises:
        ProtocolError: if the flags' shapes do not fit.
    """
    broken = attacked.broken
    for other in (doubled, black_box):
        if other is not None and other.shape != broken.shape:
            raise ProtocolError(f"flags to compare have one shape, {tuple(broken.shape)}; got {tuple(other.shape)}.")
    if len(epsilons) != broken.shape[1]:
        raise ProtocolError(f"the flags hold {broken.shape[1]} radii; got {len(epsilons)}.")
    flags = {
        "zero-gradient": attacked.zero_gradient,
        "undefined": attacked.undefined,
        "not-monotone": not_monotone(broken, epsilons),
    }
    if doubled is not None:
        flags["more-steps"] = doubled & ~broken
    if black_box is not None:
        flags["black-box"] = black_box & ~broken
    return {flag: float(values.double().mean()) if values.numel() else 0.0 for flag, values in flags.items()}


def not_monotone(broken: Tensor, epsilons: Sequence[float]) -> Tensor:
    """(victim, batch) bool: broken at some radius and not at some larger one.

    Args:
        broken: (victim, epsilon, batch) bool.
        epsilons: the radii, in any order.
    """
    order = torch.tensor(sorted(range(len(epsilons)), key=lambda i: epsilons[i]), device=broken.device)
    ascending = broken[:, order].to(torch.uint8)
    return (ascending.cummax(1).values > ascending).any(1)
