"""Stacked linear victims, for which everything an attack should reach is known in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

INF = float("inf")
DUAL = {"linf": 1.0, "l2": 2.0, "l1": INF}
"""A ball of radius ε in one norm moves w·x by up to ε times the dual norm of w."""


@dataclass(frozen=True)
class Linear:
    """logits = (x − ½) W + b, one (W, b) per victim."""

    weight: Tensor
    bias: Tensor

    def __call__(self, inputs: Tensor) -> Tensor:
        flat = inputs.flatten(2).expand(len(self.weight), -1, -1) - 0.5
        return torch.baddbmm(self.bias.unsqueeze(1), flat, self.weight)

    def victim(self, index: int) -> Linear:
        return Linear(self.weight[index : index + 1], self.bias[index : index + 1])


@dataclass(frozen=True)
class Network:
    """One hidden layer of softplus units per victim: smooth, and not linear."""

    first: Tensor
    second: Tensor

    def __call__(self, inputs: Tensor) -> Tensor:
        flat = inputs.flatten(2).expand(len(self.first), -1, -1) - 0.5
        hidden: Tensor = torch.nn.functional.softplus(flat @ self.first, beta=4)
        return hidden @ self.second

    def victim(self, index: int) -> Network:
        return Network(self.first[index : index + 1], self.second[index : index + 1])


def linear(victims: int = 3, size: int = 12, classes: int = 2, seed: int = 0) -> Linear:
    generator = torch.Generator().manual_seed(seed)
    return Linear(
        torch.randn(victims, size, classes, generator=generator, dtype=torch.float64),
        0.3 * torch.randn(victims, classes, generator=generator, dtype=torch.float64),
    )


def network(victims: int = 3, size: int = 12, classes: int = 5, hidden: int = 16, seed: int = 0) -> Network:
    generator = torch.Generator().manual_seed(seed)
    return Network(
        torch.randn(victims, size, hidden, generator=generator, dtype=torch.float64),
        torch.randn(victims, hidden, classes, generator=generator, dtype=torch.float64),
    )


def examples(batch: int = 40, shape: tuple[int, ...] = (12,), seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, *shape, generator=generator, dtype=torch.float64)


def margins(model: Linear, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Two classes: logit 0 minus logit 1 (victim, batch), and Δw = w₀ − w₁ (victim, size)."""
    logits = model(inputs.unsqueeze(0))
    return logits[..., 0] - logits[..., 1], model.weight[..., 0] - model.weight[..., 1]


def gain(norm: str, weight: Tensor, inputs: Tensor, epsilon: float, bounds: tuple[float, float] | None) -> Tensor:
    """The most that −w·δ can reach over the ball (and, in ℓ∞ and ℓ1, the box), (victim, batch)."""
    if bounds is None:
        dual: Tensor = torch.linalg.vector_norm(weight, DUAL[norm], dim=1)
        return (epsilon * dual).unsqueeze(1).expand(-1, len(inputs))
    room = torch.where(weight[:, None] > 0, inputs - bounds[0], bounds[1] - inputs)
    if norm == "linf":
        return (weight.abs()[:, None] * room.clamp(max=epsilon)).sum(-1)
    order = weight.abs().argsort(-1, descending=True)[:, None].expand_as(room)
    room, value = room.gather(-1, order), weight.abs()[:, None].expand_as(room).gather(-1, order)
    spent = (epsilon - (room.cumsum(-1) - room)).clamp(min=0).minimum(room)
    return (spent * value).sum(-1)
