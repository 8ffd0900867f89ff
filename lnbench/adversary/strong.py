"""The strong adversary: several attacks in turn, each on what the ones before it left; the worst case per example.

In the manner of AutoAttack (Croce & Hein 2020), for stacked victims and for targeted goals too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lnbench.adversary.apgd import apgd
from lnbench.adversary.losses import check_loss
from lnbench.adversary.norms import check_norm, confine, uniform
from lnbench.adversary.pgd import pgd
from lnbench.adversary.square import square
from lnbench.adversary.stack import Bounds, Goals, Model, aim, per_row, reached
from lnbench.errors import ProtocolError

COMPONENTS = ("pgd", "apgd-ce", "apgd-dlr", "apgd-t", "square")
"""In order: PGD from x, any iterate; APGD on the cross-entropy; APGD on the DLR loss (the margin with too few classes
for it); APGD on the targeted DLR loss towards each class in turn (untargeted goals only); Square."""


@dataclass(frozen=True)
class Strong:
    """What the strong adversary did.

    Attributes:
        broken: (victim, epsilon, batch) bool: some component reached the goal.
        by: (victim, epsilon, batch) int64: the first that did: its position in `components`; −1 where none did, and
            where the clean input or an earlier attack already had.
        components: the components that ran, in order.
    """

    broken: Tensor
    by: Tensor
    components: tuple[str, ...]


def strong(
    model: Model,
    inputs: Tensor,
    classes: Tensor,
    *,
    targeted: bool,
    epsilons: Sequence[float] | Tensor,
    generator: torch.Generator,
    norm: str = "linf",
    bounds: Bounds = (0.0, 1.0),
    steps: int = 100,
    restarts: int = 1,
    all_targets: int = 9,
    queries: int = 1000,
    components: Sequence[str] = COMPONENTS,
    broken: Tensor | None = None,
    chunk: int = 16384,
) -> Strong:
    """Attack every example on every victim at every radius with every component in turn.

    Args:
        inputs: (batch, *shape), or (victim, batch, *shape); see `pgd`.
        classes: (batch,) int64: the targets when `targeted`, the true labels when not.
        epsilons: radii of the balls; see `pgd`.
        generator: for random starts and Square; the draws are shared by all victims.
        steps: steps of each PGD and APGD.
        restarts: random starts of each APGD.
        all_targets: how many wrong classes `apgd-t` tries, the likeliest first; 0 leaves it out.
        queries: forward passes of Square.
        components: which to run, in this order; see `COMPONENTS`.
        broken: (victim, epsilon, batch) bool: what an earlier attack broke: it counts, and is not attacked again.
        chunk: attacks carried on at a time, to bound memory.

    Raises:
        ProtocolError: if an argument makes no sense.
    """
    check_norm(norm)
    unknown = [c for c in components if c not in COMPONENTS]
    if unknown or not components:
        raise ProtocolError(f"components are one or more of {', '.join(COMPONENTS)}; got {list(components)}.")
    if steps < 1 or restarts < 1 or queries < 1 or all_targets < 0:
        raise ProtocolError(
            f"steps, restarts and queries are at least 1, all_targets 0; "
            f"got {steps}, {restarts}, {queries} and {all_targets}."
        )
    goals = aim(model, inputs, classes, epsilons, bounds)
    check_loss("margin", targeted, goals.num_classes)
    curve = (goals.victims, goals.curve, goals.batch)
    if broken is not None and tuple(broken.shape) != curve:
        raise ProtocolError(f"`broken` holds one flag for each of {curve}; got {tuple(broken.shape)}.")
    done = goals.origin.new_zeros(curve, dtype=torch.bool) if broken is None else broken.clone()
    by = torch.full(curve, -1, device=done.device)
    flat = done.view(goals.victims, -1)
    attack = _Attack(
        model, goals, flat, targeted, norm, bounds, generator, steps, restarts, all_targets, queries, chunk
    )
    attack.clean()
    for number, name in enumerate(components if goals.total else ()):
        before = done.clone()
        if name == "pgd":
            attacked = pgd(
                model,
                inputs,
                classes,
                targeted=targeted,
                epsilons=epsilons,
                steps=steps,
                bounds=bounds,
                norm=norm,
                chunk=chunk,
            )
            done |= attacked.broken
        else:
            attack.run(name)
        by[done & ~before] = number
    return Strong(done, by, tuple(components))


@dataclass
class _Attack:
    """What the components share. `broken` is (victim, total), and updated."""

    model: Model
    goals: Goals
    broken: Tensor
    targeted: bool
    norm: str
    bounds: Bounds
    generator: torch.Generator
    steps: int
    restarts: int
    all_targets: int
    queries: int
    chunk: int

    def clean(self) -> None:
        """Clean inputs that are classified as the goal asks are broken."""
        for place in self._places():
            rows = self.goals.rows(place)
            with torch.no_grad():
                hit, _ = reached(self.model(self.goals.origin[rows]), self.goals.classes[rows], self.targeted)
            self.broken.scatter_(1, place, self.broken.gather(1, place) | hit)

    def run(self, name: str) -> None:
        """One component on everything that is still unbroken."""
        goals = self.goals
        own = goals.classes[goals.rows(goals.places())]
        if name == "square":
            self._square()
        elif name == "apgd-ce":
            self._apgd(self.targeted, "cross-entropy", own, None)
        elif name == "apgd-dlr":
            enough = goals.num_classes >= (4 if self.targeted else 3)
            self._apgd(self.targeted, "dlr" if enough else "margin", own, None)
        elif not self.targeted:
            for target in self._ranked(own)[..., : self.all_targets].unbind(-1):
                self._apgd(True, "dlr" if goals.num_classes >= 4 else "margin", target, own)

    def _apgd(self, towards: bool, loss: str, classes: Tensor, rivals: Tensor | None) -> None:
        goals = self.goals
        generator = torch.Generator().manual_seed(self._child())
        for _ in range(self.restarts):
            noise = uniform((goals.total, *goals.origin.shape[1:]), self.norm, goals.origin, generator)
            noise = noise.repeat(len(goals.origin) // goals.total, *[1] * (noise.dim() - 1))
            starts = confine(
                goals.origin + per_row(goals.radii, noise) * noise, goals.origin, goals.radii, self.bounds, self.norm
            )
            for place in self._places():
                apgd(
                    self.model,
                    goals,
                    self.broken,
                    place,
                    targeted=self.targeted,
                    towards=towards,
                    loss=loss,
                    classes=classes,
                    rivals=rivals,
                    starts=starts,
                    steps=self.steps,
                    norm=self.norm,
                    bounds=self.bounds,
                )

    def _square(self) -> None:
        seed = self._child()
        for place in self._places():
            square(
                self.model,
                self.goals,
                self.broken,
                place,
                targeted=self.targeted,
                queries=self.queries,
                norm=self.norm,
                bounds=self.bounds,
                generator=torch.Generator().manual_seed(seed),
            )

    def _ranked(self, own: Tensor) -> Tensor:
        """Wrong classes by falling clean logit, (victim, total, class − 1)."""
        parts = []
        for place in self._places():
            with torch.no_grad():
                logits = self.model(self.goals.origin[self.goals.rows(place)])
            wrong = logits.scatter(-1, own.gather(1, place).unsqueeze(-1), -torch.inf)
            parts.append(wrong.argsort(-1, descending=True))
        return torch.cat(parts, 1)[..., :-1]

    def _places(self) -> list[Tensor]:
        """All attacks, a chunk at a time."""
        width = max(self.chunk // self.goals.victims, 1)
        places = self.goals.places()
        return [places[:, i : i + width] for i in range(0, places.shape[1], width)]

    def _child(self) -> int:
        """A seed for one part of the attack, so that what one part draws does not depend on when another ends."""
        return int(torch.randint(2**62, (1,), generator=self.generator, device=self.generator.device))
