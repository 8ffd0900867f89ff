"""An attack that doubts itself: signs that a low success rate is the attack's weakness and not the victims' strength.

After AutoAttack's own checks (Croce & Hein 2020, `flags_doc.md`) and Athalye, Carlini & Wagner 2018. Masking works
backwards here: a weak attack flatters whichever arm is harder to attack, so every check is to be made on every arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lnbench.adversary.pgd import Attacked, pgd
from lnbench.adversary.stack import Bounds, Model
from lnbench.adversary.strong import strong
from lnbench.errors import ProtocolError


@dataclass(frozen=True)
class Cause:
    """What a flag means.

    Attributes:
        limit: the flag is raised when the measured share is larger.
        text: what was measured, and what it points to.
    """

    limit: float
    text: str


DOUBTS: dict[str, Cause] = {
    "zero-gradient": Cause(
        0.01,
        "share of (victim, example) whose loss has no input gradient at the clean input: saturated softmax, dead units "
        "or underflow leave a gradient attack nothing to follow; trust the strong adversary's margin and black-box "
        "attacks.",
    ),
    "undefined": Cause(
        0.0,
        "share of (victim, example) with a NaN logit at some iterate: a diverged victim; where all logits are NaN the "
        "example counts as not broken.",
    ),
    "not-monotone": Cause(
        0.02,
        "share of (victim, example) broken at some radius and not at a larger one: balls are nested, so the attack at "
        "the larger radius missed a point it could have found; its steps are too long there, or too few.",
    ),
    "more-steps": Cause(
        0.01,
        "share of (victim, radius, example) that only twice the steps break: the attack had not converged.",
    ),
    "black-box": Cause(
        0.002,
        "share of (victim, radius, example) that random search breaks and the gradient attack does not: its gradients "
        "mislead it.",
    ),
}
"""Every doubt by its flag."""


@dataclass(frozen=True)
class Doubt:
    """One check of one attack.

    Attributes:
        flag: its name, a key of `DOUBTS`.
        share: what was measured, in [0, 1].
    """

    flag: str
    share: float

    @property
    def raised(self) -> bool:
        """Whether the share is above the limit."""
        return self.share > DOUBTS[self.flag].limit

    @property
    def cause(self) -> str:
        """What the flag means."""
        return DOUBTS[self.flag].text


def doubts(
    attacked: Attacked,
    *,
    epsilons: Sequence[float],
    doubled: Tensor | None = None,
    black_box: Tensor | None = None,
) -> tuple[Doubt, ...]:
    """What the results of an attack, and of others beside it, give reason to doubt; in the order of `DOUBTS`.

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
    found = [
        Doubt("zero-gradient", _share(attacked.zero_gradient)),
        Doubt("undefined", _share(attacked.undefined)),
        Doubt("not-monotone", _share(lost(broken, epsilons))),
    ]
    if doubled is not None:
        found.append(Doubt("more-steps", _share(doubled & ~broken)))
    if black_box is not None:
        found.append(Doubt("black-box", _share(black_box & ~broken)))
    return tuple(found)


def lost(broken: Tensor, epsilons: Sequence[float]) -> Tensor:
    """(victim, batch) bool: broken at some radius and not at some larger one."""
    order = torch.tensor(sorted(range(len(epsilons)), key=lambda i: epsilons[i]), device=broken.device)
    ascending = broken[:, order].to(torch.uint8)
    return (ascending.cummax(1).values > ascending).any(1)


def examine(
    model: Model,
    inputs: Tensor,
    classes: Tensor,
    *,
    targeted: bool,
    epsilons: Sequence[float],
    steps: int,
    generator: torch.Generator,
    step_factor: float = 2.5,
    bounds: Bounds = (0.0, 1.0),
    rule: str = "any",
    norm: str = "linf",
    queries: int = 200,
) -> tuple[Doubt, ...]:
    """Run an attack, the same with twice the steps, and Square on what is left, and say what gives reason to doubt it.

    Arguments are `pgd`'s and, for Square, `strong`'s.
    """

    def attack(steps: int) -> Attacked:
        return pgd(
            model,
            inputs,
            classes,
            targeted=targeted,
            epsilons=epsilons,
            steps=steps,
            step_factor=step_factor,
            bounds=bounds,
            rule=rule,
            norm=norm,
        )

    once, twice = attack(steps), attack(2 * steps)
    search = strong(
        model,
        inputs,
        classes,
        targeted=targeted,
        epsilons=epsilons,
        generator=generator,
        norm=norm,
        bounds=bounds,
        queries=queries,
        components=("square",),
        broken=once.broken,
    )
    return doubts(once, epsilons=epsilons, doubled=twice.broken, black_box=search.broken)


def _share(flags: Tensor) -> float:
    """Share of the flags that are set, 0 for none."""
    return float(flags.double().mean()) if flags.numel() else 0.0
