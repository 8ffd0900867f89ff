"""Fully connected ReLU networks."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from lnbench.victims.architecture import Parameters, initial_linear


@dataclass(frozen=True)
class Architecture:
    """`depth` hidden layers of `width` ReLU units, then a linear layer.

    Attributes:
        width: units of a hidden layer.
        depth: hidden layers.
    """

    width: int = 128
    depth: int = 3

    def init(self, shape: tuple[int, ...], num_classes: int, generator: torch.Generator) -> Parameters:
        """One network's parameters."""
        sizes = [math.prod(shape), *[self.width] * self.depth, num_classes]
        parameters = {}
        for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
            parameters[f"weight{i}"], parameters[f"bias{i}"] = initial_linear(fan_in, fan_out, generator)
        return parameters

    def features(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Penultimate activations, (victim, batch, width)."""
        hidden = inputs.flatten(2)
        for i in range(self.depth):
            hidden = torch.baddbmm(parameters[f"bias{i}"], hidden, parameters[f"weight{i}"]).relu()
        return hidden

    def logits(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Logits, (victim, batch, class)."""
        last = self.depth
        return torch.baddbmm(parameters[f"bias{last}"], self.features(parameters, inputs), parameters[f"weight{last}"])
