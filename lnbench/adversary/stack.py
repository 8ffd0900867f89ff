"""What attacks on stacked victims share: goals and their test, inputs checked at the door, leaving the batch when done.

An attack holds, for each victim, a row of `place`s: positions in the flat list of examples (or of example × radius). An
example that reached its goal on one victim leaves that victim's row alone; rows stay equally long because the shorter
ones are padded with finished examples.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lnbench.errors import ProtocolError

Model = Callable[[Tensor], Tensor]
"""Stacked victims: inputs (victim, batch, *shape) to logits (victim, batch, class). A leading 1 is broadcast."""

Bounds = tuple[float, float] | None
"""Smallest and largest value an input may take, or None for unbounded data."""


@dataclass(frozen=True)
class Goals:
    """What is attacked: clean examples, where they should end up, and how far they may go, for every radius of a curve.

    Flat lists of n = epsilon · batch rows, ε slowest; with inputs of each victim's own, n = victim · epsilon · batch.

    Attributes:
        origin: (n, *shape), the clean examples.
        classes: (n,) int64, targets or true labels.
        radii: (n,), radii of their balls.
        own: each victim has its own inputs.
        victims, curve, batch, num_classes: sizes: of the stack, the ε curve, the examples, the logits.
    """

    origin: Tensor
    classes: Tensor
    radii: Tensor
    own: bool
    victims: int
    curve: int
    batch: int
    num_classes: int

    @property
    def total(self) -> int:
        """Attacks on one victim: epsilon · batch."""
        return self.curve * self.batch

    def places(self) -> Tensor:
        """All attacks of every victim, (victim, total) int64."""
        return torch.arange(self.total, device=self.origin.device).expand(self.victims, -1)

    def rows(self, place: Tensor) -> Tensor:
        """Rows of the flat lists that these places (victim, width) stand for."""
        if not self.own:
            return place
        return place + self.total * torch.arange(self.victims, device=place.device).unsqueeze(1)

    def stacked(self) -> Tensor:
        """The clean examples of every attack, (victim, total, *shape)."""
        shape = self.origin.shape[1:]
        return self.origin.view(self.victims if self.own else 1, self.total, *shape).expand(self.victims, -1, *shape)


def reached(logits: Tensor, classes: Tensor, targeted: bool) -> tuple[Tensor, Tensor]:
    """Which predictions are as the goal asks, and which are undefined because a logit is NaN; both (victim, batch)
    bool.

    An undefined prediction never counts as reached, whatever the goal.
    """
    best, predicted = logits.max(-1)
    undefined = best.isnan()
    return (predicted.eq(classes) == targeted) & ~undefined, undefined


def unfinished(done: Tensor, share: float = 0.8) -> Tensor | None:
    """Positions (victim, m) of what is not `done`, padded with what is; None if more than `share` remain.

    Args:
        done: (victim, width) bool.
    """
    finished = done.sum(1)
    width = done.shape[1] - int(finished.min() if len(finished) > 1 else finished)
    if width > share * done.shape[1] or width == done.shape[1]:
        return None
    return done.to(torch.uint8).argsort(dim=1, stable=True)[:, :width]


def take(values: Tensor, keep: Tensor) -> Tensor:
    """values[v, keep[v, j]] for every victim v: (victim, m, …) from (victim, width, …)."""
    return values.gather(1, keep.view(*keep.shape, *[1] * (values.dim() - 2)).expand(*keep.shape, *values.shape[2:]))


def per_row(values: Tensor, like: Tensor) -> Tensor:
    """(victim, batch) values shaped to broadcast over `like`, (victim, batch, *shape)."""
    return values.view(*values.shape, *[1] * (like.dim() - values.dim()))


def aim(model: Model, inputs: Tensor, classes: Tensor, epsilons: Sequence[float] | Tensor, bounds: Bounds) -> Goals:
    """The goals of one attack, checked.

    Args:
        inputs: (batch, *shape) with classes (batch,), or (victim, batch, *shape) with classes (victim, batch).
        epsilons: radii, or a tensor (epsilon, batch); (victim, epsilon, batch) with inputs of each victim's own.

    Raises:
        ProtocolError: if radii, inputs, classes or bounds make no sense.
    """
    own = classes.dim() == 2
    flat, labels = (inputs.flatten(0, 1), classes.flatten()) if own and inputs.dim() > 2 else (inputs, classes)
    check_inputs(flat, labels, bounds)
    victims, num_classes = probe(model, flat)
    check_classes(labels, num_classes)
    if own and len(classes) != victims:
        raise ProtocolError(f"inputs of each victim's own need one row per victim: {victims}; got {len(classes)}.")
    batch = classes.shape[-1]
    radii = torch.as_tensor(epsilons, dtype=inputs.dtype, device=inputs.device)
    each = own and radii.dim() == 3 and len(radii) == victims
    if not (each or radii.dim() in (1, 2)) or not len(radii) or (radii.dim() > 1 and radii.shape[-1] != batch):
        raise ProtocolError(
            f"radii are a list of one or more, or a tensor (epsilon, {batch}); got shape {tuple(radii.shape)}."
        )
    if radii.numel() and not bool(((radii >= 0) & (radii < float("inf"))).all()):
        raise ProtocolError(f"radii are finite numbers of at least 0; got {radii.flatten().tolist()[:8]}.")
    curve = radii.shape[1] if each else len(radii)
    radii = radii.unsqueeze(1).expand(-1, batch) if radii.dim() == 1 else radii
    lead = (victims, curve, batch) if own else (curve, batch)
    around = inputs.unsqueeze(classes.dim() - 1).expand(*lead, *inputs.shape[classes.dim() :])
    return Goals(
        origin=around.reshape(-1, *inputs.shape[classes.dim() :]),
        classes=classes.unsqueeze(-2).expand(lead).reshape(-1),
        radii=radii.expand(lead).reshape(-1),
        own=own,
        victims=victims,
        curve=curve,
        batch=batch,
        num_classes=num_classes,
    )


def probe(model: Model, inputs: Tensor) -> tuple[int, int]:
    """Numbers of victims and of classes, from one forward pass of one example."""
    one = inputs[:1] if len(inputs) else inputs.new_zeros(1, *inputs.shape[1:])
    with torch.no_grad():
        logits = model(one.unsqueeze(0))
    return logits.shape[0], logits.shape[-1]


def check_inputs(inputs: Tensor, classes: Tensor, bounds: Bounds) -> None:
    """Refuse examples and goals that make no sense.

    Raises:
        ProtocolError: if there is not one class per example, an input is not a finite number or lies outside the box.
    """
    if inputs.dim() < 2 or classes.shape != inputs.shape[:1]:
        raise ProtocolError(
            f"an attack takes inputs (batch, *shape) and one class each; got inputs {tuple(inputs.shape)} "
            f"and classes {tuple(classes.shape)}."
        )
    if not inputs.is_floating_point() or classes.is_floating_point() or classes.dtype == torch.bool:
        raise ProtocolError(
            f"an attack takes floating-point inputs and integer classes; got {inputs.dtype} and {classes.dtype}."
        )
    if bounds is not None and not bounds[0] < bounds[1]:
        raise ProtocolError(f"the inputs' box is (low, high) with low < high, or None; got {bounds}.")
    if not inputs.numel():
        return
    low, high = (float(v) for v in inputs.aminmax())
    if not (low > -float("inf") and high < float("inf")):
        raise ProtocolError("an attack starts at finite inputs; some of these are NaN or infinite.")
    if bounds is not None and (low < bounds[0] or high > bounds[1]):
        raise ProtocolError(
            f"inputs lie in [{low:.6g}, {high:.6g}], outside the box {list(bounds)}; scale them, or pass the box they "
            "live in (bounds=None for unbounded data)."
        )


def check_classes(classes: Tensor, num_classes: int) -> None:
    """Refuse goals that the model has no logit for.

    Raises:
        ProtocolError: naming the classes that came and those there are.
    """
    if classes.numel():
        low, high = int(classes.min()), int(classes.max())
        if low < 0 or high >= num_classes:
            raise ProtocolError(f"classes must be 0 … {num_classes - 1}, the model's logits; got {low} … {high}.")
