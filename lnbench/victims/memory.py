"""How much memory a training will take, before it takes any."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from lnbench.protocol.recipe import Recipe
from lnbench.victims.architecture import Architecture, Stateful
from lnbench.victims.objectives import Dice
from lnbench.victims.restraint import restrained
from lnbench.victims.training import Stack


def predicted_bytes(
    architecture: Architecture,
    recipe: Recipe,
    shape: tuple[int, ...],
    classes: int,
    victims: int,
    n: int,
    rows: int | None = None,
) -> int:
    """Largest number of bytes that tensors hold at one time while `train` trains `victims` float32 networks.

    Two training steps are run on tensors that have shapes and no contents, and what lives at the same time is added up:
    inputs and batch orders, parameters and the optimiser's moments, gradients, and what the forward pass keeps for the
    backward pass. Not in it: what an allocator rounds up, a library's workspaces and, on a GPU, CUDA's own context.

    Args:
        shape: of one input.
        n: training points of one victim.
        rows: inputs of which each victim has a subset of its own; if None, all have the same n.

    Returns:
        Bytes.
    """
    architecture = restrained(architecture, recipe)
    in_turn = isinstance(architecture, Stateful) and not architecture.stacked
    start = architecture.init(shape, classes, torch.Generator().manual_seed(0))
    one = sum(p.numel() * p.element_size() for p in start.values())
    together = (1 if in_turn else victims) * (2 if recipe.co_teaching else 1)
    if in_turn:  # builds the module that computes, which takes real tensors
        architecture.logits({name: value.unsqueeze(0) for name, value in start.items()}, torch.zeros(1, 1, *shape))
    live = _Live()
    with FakeTensorMode(allow_non_fake_inputs=True), live:
        stack = Stack(
            architecture,
            recipe,
            {name: torch.zeros(together, *value.shape) for name, value in start.items()},
            torch.zeros(n if rows is None else rows, *shape),
            torch.zeros(together, n, dtype=torch.int64),
            None if rows is None else torch.zeros(together, n, dtype=torch.int64),
            torch.zeros(2, together, recipe.batch, dtype=torch.int64),
            _NoDice(together) if recipe.crop or recipe.mirror or recipe.adversarial else None,
            (0.0, 1.0),
        )
        for step in range(2):
            gradients = [g.contiguous() for g in stack.gradients(step)]
            del gradients
    orders = 8 * (recipe.steps - 2) * together * recipe.batch
    kept = victims if recipe.early_stopping else max(0, victims - together)
    return live.most + orders + one * kept


class _NoDice(Dice):
    """Dice for tensors without contents, which no generator fills."""

    def __init__(self, victims: int) -> None:
        self.generators = [torch.Generator()] * victims


class _Live(TorchDispatchMode):
    """Counts the bytes of the storages that are alive, and the most there ever were."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self.known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation and take down the memory that is new."""
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            storage = tensor.untyped_storage()
            if storage not in self.known:
                self.known.add(storage)
                self.now += storage.nbytes()
                weakref.finalize(storage, self._freed, storage.nbytes())
        self.most = max(self.most, self.now)
        return result

    def _freed(self, size: int) -> None:
        self.now -= size


def _tensors(result: Any) -> Iterator[Tensor]:
    """The tensors that an operation returned: one, or several in tuples and lists."""
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, (tuple, list)):
        for part in result:
            yield from _tensors(part)
