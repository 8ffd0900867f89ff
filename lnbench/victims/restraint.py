"""What keeps a training from sharp minima and steep functions: SAM's step uphill, and spectral norms."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lnbench.errors import ProtocolError
from lnbench.protocol.recipe import Recipe
from lnbench.victims.architecture import Architecture


@contextlib.contextmanager
def moved_uphill(parameters: Sequence[Tensor], gradients: Sequence[Tensor], rho: float) -> Iterator[None]:
    """Hold the parameters at w + ρ · g / ‖g‖ while it lasts, each victim by its own norm over all of its parameters.

    Args:
        parameters, gradients: (victim, …) each; the parameters are leaves, changed in place.
    """
    squares = torch.stack([g.detach().flatten(1).square().sum(1) for g in gradients]).sum(0)
    scale = rho / (squares.sqrt() + 1e-12)
    before = [p.detach().clone() for p in parameters]
    with torch.no_grad():
        for p, g in zip(parameters, gradients, strict=True):
            p.add_(g * scale.view(-1, *[1] * (g.dim() - 1)))
    yield
    with torch.no_grad():
        for p, old in zip(parameters, before, strict=True):
            p.copy_(old)


def restrained(architecture: Architecture, recipe: Recipe) -> Architecture:
    """The architecture, with the recipe's spectral norm on all of its layers if it asks for one.

    Raises:
        ProtocolError: if it does, and the architecture is neither `mlp` nor `cnn`.
    """
    if recipe.spectral_norm is None:
        return architecture
    from lnbench.victims.architectures import cnn, mlp, spectral

    for base, family in (("mlp", mlp.Architecture), ("cnn", cnn.Architecture)):
        if isinstance(architecture, family):
            options, norm = dataclasses.asdict(architecture), recipe.spectral_norm
            return spectral.Architecture(base=base, options=options, norm=norm, last_norm=norm)
    raise ProtocolError(
        "the recipe's spectral_norm is for the architectures mlp and cnn; leave it out, or take the architecture "
        "spectral."
    )
