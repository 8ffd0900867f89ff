"""Train a stack of victims, each on a training set of its own; those of `lnbench.victims.train` share one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lnbench.errors import ProtocolError
from lnbench.protocol.recipe import Recipe
from lnbench.victims import Architecture, Parameters, Stateful, Victims, train

Perturb = Callable[[Callable[[Tensor], Tensor], Tensor, Tensor], Tensor]
"""(model, inputs (victim, batch, *shape), labels (victim, batch)) -> the inputs to train on, of the same shape."""


def train_separately(
    architecture: Architecture,
    recipe: Recipe,
    inputs: Tensor,
    labels: Tensor,
    *,
    init: Sequence[int],
    order: Sequence[int],
    num_classes: int,
    perturb: Perturb | None = None,
    watch: Callable[[int, Victims], None] | None = None,
) -> Victims:
    """Train one victim per training set.

    Args:
        inputs: (victim, n, *shape) floating point; n at most 2²⁴.
        labels: (victim, n) int64.
        init, order, num_classes: as for `lnbench.victims.train`.
        perturb: makes of each batch the inputs to train on, such as adversarial examples.
        watch: called after every step with the number of steps done and the victims at that step.

    Raises:
        ProtocolError: if the shapes do not fit, or if the architecture cannot compute a stack at once.
    """
    if inputs.shape[:2] != labels.shape or inputs.shape[1] > 2**24:
        raise ProtocolError(
            f"each victim needs one label per input, at most 2²⁴; got inputs {tuple(inputs.shape)} and labels "
            f"{tuple(labels.shape)}."
        )
    rows = torch.arange(inputs.shape[1], dtype=inputs.dtype, device=inputs.device).unsqueeze(1)
    if isinstance(architecture, Stateful) and not architecture.stacked:
        raise ProtocolError(
            "victims with training sets of their own need an architecture whose stacks compute at once."
        )
    kind = _StatefulLookup if isinstance(architecture, Stateful) else _Lookup
    lookup = kind(architecture, inputs, labels, perturb)

    def on_step(step: int) -> None:
        if watch is not None:
            watch(step, Victims(architecture, {name: p.detach() for name, p in lookup.current[0].items()}))

    victims = train(lookup, recipe, rows, labels, init=init, order=order, num_classes=num_classes, on_step=on_step)
    return Victims(architecture, victims.parameters)


class _Lookup:
    """An architecture whose inputs are row numbers (victim, batch, 1), looked up in each victim's own training set.

    So all victims can share the same inputs in `lnbench.victims.train`: the row numbers.

    Attributes:
        current: one element, the parameters of the last forward pass.
    """

    def __init__(self, inner: Architecture, inputs: Tensor, labels: Tensor, perturb: Perturb | None) -> None:
        self.inner, self.inputs, self.labels, self.perturb = inner, inputs, labels, perturb
        self.current: list[Parameters] = [{}]

    def init(self, shape: tuple[int, ...], num_classes: int, generator: torch.Generator) -> Parameters:
        """One network's parameters, for the shape of the real inputs."""
        return self.inner.init(tuple(self.inputs.shape[2:]), num_classes, generator)

    def features(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Penultimate activations of the rows."""
        return self.inner.features(parameters, self._look_up(parameters, inputs))

    def logits(self, parameters: Parameters, inputs: Tensor) -> Tensor:
        """Logits of the rows."""
        return self.inner.logits(parameters, self._look_up(parameters, inputs))

    def _look_up(self, parameters: Parameters, rows: Tensor) -> Tensor:
        self.current[0] = parameters
        index = rows[..., 0].long()
        victims = torch.arange(len(self.inputs), device=index.device).unsqueeze(1)
        inputs = self.inputs[victims, index]
        if self.perturb is None:
            return inputs
        fixed = {name: p.detach() for name, p in parameters.items()}
        return self.perturb(Victims(self.inner, fixed), inputs, self.labels[victims, index])


class _StatefulLookup(_Lookup):
    """The same for an architecture that computes differently in training."""

    stacked = True

    def training_logits(self, parameters: Parameters, inputs: Tensor) -> tuple[Tensor, Parameters]:
        """Logits of the rows in training, and the new buffers."""
        assert isinstance(self.inner, Stateful)
        return self.inner.training_logits(parameters, self._look_up(parameters, inputs))
