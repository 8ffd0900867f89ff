"""Training many victims of one architecture at once, along a leading victim axis.

Every victim has its own labels, initialisation and batch order; the inputs are shared and stay where they are. A stack
of V victims equals V victims trained alone up to rounding, because nothing in the computation crosses the victim axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from lnbench.errors import ProtocolError
from lnbench.kernels.gather import gather
from lnbench.protocol.recipe import Recipe
from lnbench.protocol.seeds import permutation
from lnbench.victims.architecture import BUFFER, Architecture, Parameters, Stateful
from lnbench.victims.checkpoint import Checkpoint, held_out
from lnbench.victims.emphasis import Emphasis
from lnbench.victims.objectives import Dice, augmented, objective, precision
from lnbench.victims.optimiser import Optimiser
from lnbench.victims.restraint import moved_uphill, restrained

_WARM = 0.3
"""Share of the steps in which the one-cycle schedule rises."""


@dataclass(frozen=True)
class Victims:
    """A stack of trained networks; called with inputs it returns logits.

    Attributes:
        architecture: their common architecture.
        parameters: name -> (victim, …).
        steps: (victim,) int64, optimiser steps each took, if training could stop early; else None.
        diverged: (victim,) bool: some parameter is not finite.
    """

    architecture: Architecture
    parameters: Parameters
    steps: Tensor | None = None

    def __len__(self) -> int:
        return len(next(iter(self.parameters.values())))

    def __call__(self, inputs: Tensor) -> Tensor:
        """Logits (victim, batch, class) of inputs (victim or 1, batch, *shape)."""
        return self.architecture.logits(self.parameters, _per_victim(inputs, len(self)))

    def features(self, inputs: Tensor) -> Tensor:
        """Penultimate activations (victim, batch, feature) of inputs (victim or 1, batch, *shape)."""
        return self.architecture.features(self.parameters, _per_victim(inputs, len(self)))

    def predict(self, inputs: Tensor, subset: Tensor | None = None, chunk: int = 512) -> Tensor:
        """Predicted classes (victim, batch) int64 of shared inputs (batch, *shape).

        Args:
            subset: (victim, batch) int64, each victim's own rows of `inputs`; all of them if None.
        """
        with torch.no_grad():
            if subset is None:
                return torch.cat([self(part.unsqueeze(0)).argmax(-1) for part in inputs.split(chunk)], 1)
            return torch.cat([self(gather(inputs, part)).argmax(-1) for part in subset.split(chunk, 1)], 1)

    @staticmethod
    def joined(stacks: Sequence[Victims]) -> Victims:
        """One stack of several stacks' victims, in order."""
        if len(stacks) == 1:
            return stacks[0]
        names = stacks[0].parameters
        steps = [s.steps for s in stacks if s.steps is not None]
        return Victims(
            stacks[0].architecture,
            {k: torch.cat([s.parameters[k] for s in stacks]) for k in names},
            torch.cat(steps) if len(steps) == len(stacks) else None,
        )

    @property
    def diverged(self) -> Tensor:
        """(victim,) bool: some parameter is NaN or infinite."""
        finite = [p.flatten(1).isfinite().all(1) for p in self.parameters.values()]
        return ~torch.stack(finite).all(0)


def train(
    architecture: Architecture,
    recipe: Recipe,
    inputs: Tensor,
    labels: Tensor,
    *,
    init: Sequence[int],
    order: Sequence[int],
    num_classes: int,
    subset: Tensor | None = None,
    weights: Tensor | None = None,
    bounds: tuple[float, float] | None = (0.0, 1.0),
    on_step: Callable[[int], None] | None = None,
) -> Victims:
    """Train one victim per row of `labels`.

    Args:
        inputs: (n, *shape), resident once and shared by all victims; their device and dtype are the training's.
        labels: (victim, n) int64.
        init: one integer below 2⁶³ per victim: seeds its initialisation, drawn on the CPU in float32.
        order: one integer per victim: entropy of its batch order, and of its augmentation and adversary.
        num_classes: logits of a network; more than the labels' classes leaves outputs that clean data never has.
        subset: (victim, n) int64, each victim's own training points as rows of `inputs`, which then may be more; all
            of `inputs` if None.
        weights: (victim, n), what each training point counts: each victim's are scaled to a mean of 1 over the points
            that count at all, and points of weight 0 are in no batch. All count the same if None.
        bounds: the inputs' box, for adversarial training; None if there is none.
        on_step: called after each step with the number of steps done.

    Raises:
        ProtocolError: if a label is not a class, the shapes do not fit, or the recipe does not fit inputs or device.
    """
    victims, n = labels.shape
    points = len(inputs) if subset is None else subset.shape[-1]
    if n != points or not len(init) == len(order) == victims or (subset is not None and len(subset) != victims):
        raise ProtocolError(
            f"{victims} rows of {n} labels need {n} inputs each and {victims} seeds; "
            f"got {points} inputs, {len(init)} and {len(order)} seeds"
            + ("." if subset is None else f", and a subset of {len(subset)} rows.")
        )
    if weights is not None and (
        weights.shape != labels.shape or not bool((weights >= 0).all() & (weights > 0).any(1).all())
    ):
        raise ProtocolError(
            f"expected weights of at least 0 for {victims} × {n} labels, of each victim some above 0; got shape "
            f"{tuple(weights.shape)} and others."
        )
    if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
        raise ProtocolError(f"labels must be 0 … {num_classes - 1}; got {int(labels.min())} … {int(labels.max())}.")
    if (recipe.crop or recipe.mirror) and (inputs.dim() != 4 or recipe.crop >= min(inputs.shape[2:])):
        raise ProtocolError(
            f"only images larger than the crop are cropped and mirrored; the recipe has crop = {recipe.crop}, the "
            f"data has shape {tuple(inputs.shape[1:])}."
        )
    if isinstance(architecture, Stateful) and not architecture.stacked and victims > 1:
        alone = []
        for row in range(victims):
            some = slice(row, row + 1)
            alone.append(
                train(
                    architecture,
                    recipe,
                    inputs,
                    labels[some],
                    init=init[some],
                    order=order[some],
                    num_classes=num_classes,
                    subset=None if subset is None else subset[some],
                    weights=None if weights is None else weights[some],
                    bounds=bounds,
                    on_step=_share(on_step, row, victims, recipe.steps),
                )
            )
        return Victims.joined(alone)
    pool = [np.arange(n)] * victims if weights is None else [np.flatnonzero(row) for row in weights.cpu().numpy()]
    checkpoint = None
    if recipe.early_stopping:
        pool, held = held_out(pool, recipe.early_stopping, order)
        checkpoint = Checkpoint(*held, inputs, labels, subset)
    architecture, copies = restrained(architecture, recipe), 2 if recipe.co_teaching else 1
    shape, starts = tuple(inputs.shape[1:]), [*init, *(map(_peer, init) if recipe.co_teaching else ())]
    stack = Stack(
        architecture,
        recipe,
        {k: p.to(inputs.device, inputs.dtype) for k, p in _starts(architecture, shape, num_classes, starts).items()},
        inputs,
        _copied(labels, copies),
        None if subset is None else _copied(subset, copies),
        _copied(_batches(pool, recipe, order).to(inputs.device), copies, 1),
        Dice([*order] * copies, inputs.device) if recipe.crop or recipe.mirror or recipe.adversarial else None,
        bounds,
        None if weights is None else _copied(_scaled(weights.to(inputs.dtype)), copies),
    )
    done: list[tuple[Tensor, Parameters, int]] = []
    a_pass = -(-n // recipe.batch)
    with precision(recipe, inputs.device):
        for step in range(recipe.steps):
            stack.step(step)
            if on_step is not None:
                on_step(step + 1)
            if checkpoint is not None and ((step + 1) % a_pass == 0 or step + 1 == recipe.steps):
                checkpoint.look(architecture, stack.first(victims), step + 1)
            if recipe.stop_when_memorised and (step + 1) % a_pass == 0 and step + 1 < recipe.steps:
                done.append((*stack.leave(stack.memorised()), step + 1))
                if not len(stack.rows):
                    break
    if checkpoint is not None:
        return Victims(architecture, checkpoint.parameters, checkpoint.steps)
    if not recipe.stop_when_memorised:
        return Victims(architecture, stack.first(victims))
    done.append((*stack.leave(torch.ones_like(stack.rows, dtype=torch.bool)), recipe.steps))
    place = torch.cat([rows for rows, _, _ in done]).argsort()
    steps = torch.cat([torch.full_like(rows, taken) for rows, _, taken in done])
    parameters = {k: torch.cat([left[k] for _, left, _ in done])[place] for k in stack.parameters}
    return Victims(architecture, parameters, steps[place])


def _starts(architecture: Architecture, shape: tuple[int, ...], num_classes: int, init: Sequence[int]) -> Parameters:
    """Initial parameters of the victims, stacked, on the CPU."""
    starts = [architecture.init(shape, num_classes, torch.Generator().manual_seed(seed)) for seed in init]
    return {name: torch.stack([start[name] for start in starts]) for name in starts[0]}


def _share(on_step: Callable[[int], None] | None, row: int, victims: int, steps: int) -> Callable[[int], None] | None:
    """What victim `row`, trained by itself, reports its steps to."""
    return None if on_step is None else lambda step: on_step((row * steps + step) // victims)


class Stack:
    """Victims in training: everything that has a row per victim, and the step.

    Args:
        parameters: name -> (victim, …), buffers among them; changed in place.
        batches: (step, victim, batch) int64, positions in a row of `labels`.
        dice: the random numbers of augmentation and adversarial training, if the recipe has any.
        weights: (victim, n), what each point counts; 1 if None.
    """

    def __init__(
        self,
        architecture: Architecture,
        recipe: Recipe,
        parameters: Parameters,
        inputs: Tensor,
        labels: Tensor,
        subset: Tensor | None,
        batches: Tensor,
        dice: Dice | None,
        bounds: tuple[float, float] | None,
        weights: Tensor | None = None,
    ) -> None:
        self.architecture, self.recipe, self.parameters, self.bounds = architecture, recipe, parameters, bounds
        self.inputs, self.labels, self.subset, self.batches, self.dice = inputs, labels, subset, batches, dice
        self.rows = torch.arange(len(labels), device=labels.device)
        self.emphasis = Emphasis.asked(recipe, labels.shape[1], weights)
        self.stateful = architecture if isinstance(architecture, Stateful) else None
        alike = subset is None and dice is None and len(labels) > 1 and inputs.device.type == "cpu"
        self.shared = alike and recipe.precision == "bf16" and bool((batches == batches[:, :1]).all())
        """Whether all victims are given the same batches, so that they are gathered once."""
        for name, value in parameters.items():
            value.requires_grad_(not name.startswith(BUFFER))
        self.optimiser = Optimiser(recipe, [p for p in parameters.values() if p.requires_grad])

    def step(self, step: int) -> None:
        """One optimiser step of every victim."""
        rate = self.recipe.learning_rate * _schedule(self.recipe, step)
        self.optimiser.step(self.gradients(step), rate)

    def gradients(self, step: int) -> tuple[Tensor, ...]:
        """Gradients of the batch's mean objective, one per parameter, where the recipe wants them; buffers move on."""
        index = self.batches[step]
        some = self.labels.gather(1, index)
        place = index if self.subset is None else self.subset.gather(1, index)
        examples = augmented(self.inputs, place[:1] if self.shared else place, self.recipe, self.dice)
        examples = examples.expand(len(index), *examples.shape[1:])
        if self.emphasis is not None:
            self.emphasis.begin(index, step)
        here = self._gradients(examples, some)
        if not self.recipe.sam:
            return here
        if self.emphasis is not None:
            self.emphasis.begin(index, step, remember=False)
        buffers = {name: p for name, p in self.parameters.items() if name.startswith(BUFFER)}
        with moved_uphill(self.optimiser.parameters, here, self.recipe.sam):
            there = self._gradients(examples, some)
        self.parameters.update(buffers)
        return there

    def _gradients(self, examples: Tensor, classes: Tensor) -> tuple[Tensor, ...]:
        """Gradients of these examples' mean objective at the parameters as they are."""
        networks = self._training, self._trained
        outputs, pulls = objective(self.recipe, *networks, examples, classes, self.dice, self.bounds, self.emphasis)
        return torch.autograd.grad(outputs, self.optimiser.parameters, [p.div_(self.recipe.batch) for p in pulls])

    def first(self, victims: int) -> Parameters:
        """Parameters of the first so many networks: of co-teaching's pairs, those that become victims."""
        whole = victims == len(self.rows)
        return {name: p.detach() if whole else p.detach()[:victims] for name, p in self.parameters.items()}

    def _training(self, examples: Tensor) -> Tensor:
        """Logits in training; buffers move on."""
        if self.stateful is None:
            return self.architecture.logits(self.parameters, examples)
        logits, buffers = self.stateful.training_logits(self.parameters, examples)
        self.parameters.update(buffers)
        return logits

    def _trained(self, examples: Tensor) -> Tensor:
        """Logits as if training ended here, with no gradients of the parameters."""
        return self.architecture.logits({name: p.detach() for name, p in self.parameters.items()}, examples)

    def memorised(self) -> Tensor:
        """(victim,) bool: every training label is predicted."""
        whole = torch.arange(self.labels.shape[1], device=self.labels.device).expand_as(self.labels)
        place = whole if self.subset is None else self.subset
        now = Victims(self.architecture, {name: p.detach() for name, p in self.parameters.items()})
        return now.predict(self.inputs, place).eq(self.labels).all(1)

    def leave(self, done: Tensor) -> tuple[Tensor, Parameters]:
        """Take those victims out at which `done` (victim,) bool is true: their rows in `labels`, and parameters."""
        rows, left = self.rows[done], {name: p.detach()[done] for name, p in self.parameters.items()}
        if bool(done.any()):
            stay = ~done
            self.rows, self.labels, self.batches = self.rows[stay], self.labels[stay], self.batches[:, stay]
            self.subset = None if self.subset is None else self.subset[stay]
            if self.dice is not None:
                self.dice = self.dice.of(stay)
            if self.emphasis is not None:
                self.emphasis.keep(stay)
            self.parameters = {
                name: p.detach()[stay].requires_grad_(p.requires_grad) for name, p in self.parameters.items()
            }
            self.optimiser.keep(stay, [p for p in self.parameters.values() if p.requires_grad])
        return rows, left


def _schedule(recipe: Recipe, step: int) -> float:
    """Share of the peak learning rate at this step, in [0, 1]."""
    if recipe.schedule == "constant":
        return 1.0
    done = (step + 1) / recipe.steps
    if recipe.schedule == "linear":
        return 1.0 - step / recipe.steps
    if recipe.schedule == "cosine":
        return 0.5 + 0.5 * math.cos(math.pi * step / recipe.steps)
    return done / _WARM if done < _WARM else 0.5 + 0.5 * math.cos(math.pi * (done - _WARM) / (1 - _WARM))


def _batches(pool: Sequence[np.ndarray], recipe: Recipe, order: Sequence[int]) -> Tensor:
    """Batch orders (step, victim, batch) int64, cut from end-to-end permutations of each victim's pool of points."""
    drawn = recipe.steps * recipe.batch
    orders = np.stack(
        [
            points[permutation(len(points), entropy, -(-drawn // len(points)))[:drawn]]
            for points, entropy in zip(pool, order, strict=True)
        ]
    )
    return torch.from_numpy(orders.reshape(len(order), recipe.steps, recipe.batch).swapaxes(0, 1).copy())


def _copied(values: Tensor, copies: int, axis: int = 0) -> Tensor:
    """The rows of all victims, and of their peers if there are any."""
    return values if copies == 1 else torch.cat([values] * copies, axis)


def _scaled(weights: Tensor) -> Tensor:
    """Weights (victim, n) whose mean over each victim's points of a weight above 0 is 1."""
    return weights * ((weights > 0).sum(1, keepdim=True) / weights.sum(1, keepdim=True))


def _peer(seed: int) -> int:
    """The seed of the second network of co-teaching."""
    return int(np.random.SeedSequence(seed, spawn_key=(2,)).generate_state(1, np.uint64)[0] >> 1)


def _per_victim(inputs: Tensor, victims: int) -> Tensor:
    return inputs.expand(victims, *inputs.shape[1:])
