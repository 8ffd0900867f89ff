"""Networks of another family with spectral normalisation on every layer (thesis §4.5; Miyato et al. 2018).

Every weight matrix is divided by its largest singular value σ and multiplied by the norm its layer shall have; biases
are left alone. σ = uᵀWv with u and v from a power iteration that goes on with every training step, and gradients flow
through W alone. A convolution's matrix is its kernel, flattened to (out, in · side²), as usual: its norm bounds that of
the convolution up to a factor of the side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from lnbench.errors import ProtocolError, nearest
from lnbench.victims.architecture import BUFFER, Parameters, architecture
from lnbench.victims.architecture import Architecture as Family
from lnbench.victims.architectures import cnn, mlp

_BASES = {"cnn": cnn.Architecture, "mlp": mlp.Architecture}

_FIRST_ITERATIONS, _ITERATIONS = 30, 5
"""Steps of the power iteration before training, and with each step of it: one would lag behind Adam by 6 % and more."""


@dataclass(frozen=True)
class Architecture:
    """The family `base` with `options`, all of whose layers have a settable spectral norm.

    Attributes:
        base: `mlp` or `cnn`.
        options: that family's own fields.
        norm: spectral norm of every layer but the last.
        last_norm: spectral norm of the last layer.

    Raises:
        ProtocolError: if there is no such base or option, with the nearest valid names.
    """

    base: str = "mlp"
    options: Mapping[str, Any] = field(default_factory=dict)
    norm: float = 1.0
    last_norm: float = 1.0
    family: Family = field(init=False, repr=False)
    stacked: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.base not in _BASES:
            raise ProtocolError(
                f"no architecture with weight matrices is called {self.base!r}; {nearest(self.base, _BASES)}"
            )
        object.__setattr__(self, "family", architecture(self.base, self.options))

    def init(self, shape: tuple[int, ...], num_classes: int, generator: torch.Generator) -> Parameters:
        """One network's parameters, and for each layer the u of its power iteration."""
        parameters = self.family.init(shape, num_classes, generator)
        for name in _layers(parameters):
            matrix = parameters[name].flatten(1).unsqueeze(0)
            left = F.normalize(torch.randn(1, matrix.shape[1], generator=generator), dim=1)
            parameters[BUFFER + name] = _iterated(matrix, left, _FIRST_ITERATIONS)[0]
        return parameters

    def features(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Penultimate activations, (victim, batch, feature)."""
        return self.family.features(self.normalised(parameters), inputs)

    def logits(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Logits, (victim, batch, class)."""
        return self.family.logits(self.normalised(parameters), inputs)

    def training_logits(self, parameters: Parameters, inputs: Tensor) -> tuple[Tensor, Parameters]:
        """Logits, (victim, batch, class), after some more steps of the power iterations, and where these are then."""
        with torch.no_grad():
            fresh = {
                BUFFER + name: _iterated(parameters[name].flatten(2), parameters[BUFFER + name], _ITERATIONS)
                for name in _layers(parameters)
            }
        return self.logits({**parameters, **fresh}, inputs), fresh

    def normalised(self, parameters: Parameters) -> Parameters:
        """The parameters that the base family computes with: every layer's weights at its norm."""
        layers = _layers(parameters)
        made = {name: value for name, value in parameters.items() if not name.startswith(BUFFER)}
        for name in layers:
            matrix = made[name].flatten(2)
            left = parameters[BUFFER + name].unsqueeze(1)
            with torch.no_grad():
                right = F.normalize(left @ matrix, dim=2)
            largest = (left @ matrix * right).sum((1, 2))
            wanted = self.last_norm if name == layers[-1] else self.norm
            made[name] = made[name] * (wanted / largest).view(-1, *[1] * (made[name].dim() - 1))
        return made


def _layers(parameters: Parameters) -> list[str]:
    """Names of the weights, in the order of the layers."""
    return [name for name in parameters if name.startswith(("kernel", "weight"))]


def _iterated(matrix: Tensor, left: Tensor, steps: int) -> Tensor:
    """u (victim, rows) after some steps of the power iteration, from W (victim, rows, columns) and u (victim, rows)."""
    for _ in range(steps):
        right = F.normalize(left.unsqueeze(1) @ matrix, dim=2)
        left = F.normalize((matrix @ right.transpose(1, 2)).squeeze(2), dim=1)
    return left
