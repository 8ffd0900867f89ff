"""A victim that is several networks, and predicts by the mean of their probabilities."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lnbench.victims.architecture import Architecture, Parameters
from lnbench.victims.training import Victims


@dataclass(frozen=True)
class Ensemble:
    """`members` networks of a family as one; parameters are (victim, member, …).

    Attributes:
        family: the members' architecture.
        members: how many there are.
    """

    family: Architecture
    members: int

    def init(self, shape: tuple[int, ...], num_classes: int, generator: torch.Generator) -> Parameters:
        """One ensemble's parameters, (member, …)."""
        starts = [self.family.init(shape, num_classes, generator) for _ in range(self.members)]
        return {name: torch.stack([start[name] for start in starts]) for name in starts[0]}

    def features(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """The members' penultimate activations side by side, (victim, batch, member · feature)."""
        each = self.family.features(*self._apart(parameters, inputs)).unflatten(0, (-1, self.members))
        beside: Tensor = each.movedim(1, 2).flatten(2)
        return beside

    def logits(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Logarithms of the members' mean probabilities, (victim, batch, class)."""
        each = self.family.logits(*self._apart(parameters, inputs)).unflatten(0, (-1, self.members))
        mean: Tensor = each.log_softmax(-1).logsumexp(1) - math.log(self.members)
        return mean

    def votes(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """How many members predict each class, (victim, batch, class) int64."""
        each = self.family.logits(*self._apart(parameters, inputs)).unflatten(0, (-1, self.members))
        return torch.nn.functional.one_hot(each.argmax(-1), each.shape[-1]).sum(1)

    def _apart(self, parameters: Parameters, inputs: Tensor) -> tuple[Parameters, Tensor]:
        """The members as a stack, and their inputs."""
        apart = {name: value.flatten(0, 1) for name, value in parameters.items()}
        victims = len(next(iter(parameters.values())))
        return apart, inputs.expand(victims, *inputs.shape[1:]).repeat_interleave(self.members, 0)


def together(members: Victims, number: int) -> Victims:
    """Victims of `number` networks each, of a stack of networks in which those of a victim stand side by side."""
    parameters = {name: value.unflatten(0, (-1, number)) for name, value in members.parameters.items()}
    return Victims(Ensemble(members.architecture, number), parameters)


def certified(votes: Tensor, labels: Tensor) -> Tensor:
    """How many wrong labels a vote's right prediction withstands, (…) int64; −1 where the prediction is wrong.

    A wrong label moves at most one vote, which changes the lead over another class by two. Ties go to the smaller
    class, so that r labels cannot overturn a lead of more than 2 · r, or of 2 · r over a larger class (Levine & Feizi
    2021, theorem 1).

    Args:
        votes: (…, class) int64.
        labels: (…) int64, the true classes.
    """
    classes = torch.arange(votes.shape[-1], device=votes.device)
    own = votes.gather(-1, labels.unsqueeze(-1))
    lead = own - votes - (classes < labels.unsqueeze(-1)).long()
    lead = lead.masked_fill(classes == labels.unsqueeze(-1), torch.iinfo(torch.int64).max)
    radius: Tensor = lead.amin(-1).div(2, rounding_mode="floor").clamp(min=-1)
    return radius
