"""Surrogates: victims a poisoner trains for itself, many at once, to see what a labelling does.

They are trained by the same code as the referee's victims, in the poisoner's own process, on the training inputs it was
given. Every victim trained is counted; the count is what a record calls `trainings`.

    surrogates = train(problem, labels, victim="mlp", seed=0)      # labels (victim, n)
    broken = attack(surrogates, inputs, classes, problem)          # which points the track's adversary breaks
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lnbench.adversary import pgd
from lnbench.errors import ProtocolError
from lnbench.protocol.poisoner import Problem
from lnbench.protocol.track import Recipe
from lnbench.victims import Victims, architecture
from lnbench.victims import train as train_victims
from lnbench.victims.architecture import nearest

RECIPES: Mapping[str, Mapping[int, tuple[Mapping[str, Any], Recipe]]] = {
    "mlp": {
        1000: ({"width": 128, "depth": 2}, Recipe(steps=800, batch=64, learning_rate=0.015)),
        10**9: ({"width": 256, "depth": 2}, Recipe(steps=2000, batch=128, learning_rate=0.005)),
    },
    "cnn": {
        1000: (
            {"channels": (8, 16), "kernel": 3, "padding": 1, "stride": 2, "hidden": 64},
            Recipe(steps=1000, batch=64, learning_rate=0.02),
        ),
        10**9: (
            {"channels": (16, 32), "kernel": 5, "stride": 2, "hidden": 128},
            Recipe(steps=2400, batch=128, learning_rate=0.01),
        ),
    },
}
"""Architecture -> training points up to which it applies -> options and recipe that memorise a few flips there."""

_spent = 0


def trainings_spent() -> int:
    """Victims trained by this process so far."""
    return _spent


def train(
    problem: Problem,
    labels: np.ndarray,
    *,
    victim: str = "mlp",
    options: Mapping[str, Any] | None = None,
    recipe: Recipe | None = None,
    seed: int | None = None,
    block: int = 16,
    extra_classes: int = 0,
    **changes: Any,
) -> Victims:
    """Train one surrogate per row of `labels` on the problem's inputs.

    Args:
        labels: (victim, n) integers, or (n,) for one surrogate.
        victim: the architecture; one that is not in `RECIPES` needs options and a recipe.
        options: the architecture's own options; those of `RECIPES` if None.
        recipe: how they are trained; that of `RECIPES` for this many training points if None.
        seed: seeds initialisations and batch orders; drawn from `problem.rng` if None.
        block: victims trained at once; it changes speed and memory, results only by rounding.
        extra_classes: outputs beyond the problem's classes, for labels that clean data never has (thesis §4.9.1).
        changes: fields of the recipe to replace, such as `steps=200` or `stop_when_memorised=True`.

    Raises:
        ProtocolError: if there is no such architecture, option or recipe field, or the shapes do not fit.
    """
    global _spent
    rows = np.atleast_2d(np.asarray(labels, dtype=np.int64))
    if options is None or recipe is None:
        chosen, default = _defaults(victim, len(problem.labels))
        options, recipe = chosen if options is None else options, recipe or default
    made = architecture(victim, options)
    known = [f.name for f in dataclasses.fields(Recipe)]
    for name in changes:
        if name not in known:
            raise ProtocolError(f"a recipe has no field {name!r}; {nearest(name, known)}")
    how = dataclasses.replace(recipe, **changes)
    if seed is None:
        seed = int(problem.rng.integers(2**62))
    words = np.random.SeedSequence(seed).generate_state(2 * len(rows), np.uint64) >> np.uint64(1)
    inputs = torch.from_numpy(np.array(problem.inputs)).to(problem.device)
    stacks = []
    for start in range(0, len(rows), block):
        some = slice(start, start + block)
        stacks.append(
            train_victims(
                made,
                how,
                inputs,
                torch.from_numpy(rows[some]).to(problem.device),
                init=[int(w) for w in words[: len(rows)][some]],
                order=[int(w) for w in words[len(rows) :][some]],
                num_classes=problem.num_classes + extra_classes,
                bounds=problem.bounds,
            )
        )
        _spent += len(rows[some])
    return Victims.joined(stacks)


def logits(victims: Victims, inputs: np.ndarray | Tensor, chunk: int = 512) -> Tensor:
    """Logits (victim, batch, class) of shared inputs (batch, *shape)."""
    with torch.no_grad():
        return torch.cat([victims(part.unsqueeze(0)) for part in _tensor(victims, inputs).split(chunk)], 1)


def features(victims: Victims, inputs: np.ndarray | Tensor, chunk: int = 512) -> Tensor:
    """Penultimate activations (victim, batch, feature) of shared inputs (batch, *shape)."""
    with torch.no_grad():
        return torch.cat([victims.features(part.unsqueeze(0)) for part in _tensor(victims, inputs).split(chunk)], 1)


def losses(victims: Victims, inputs: np.ndarray | Tensor, classes: np.ndarray | Tensor, chunk: int = 512) -> Tensor:
    """Cross-entropy of each example on each victim, (victim, batch)."""
    scores = logits(victims, inputs, chunk)
    wanted = torch.as_tensor(np.asarray(classes), device=scores.device).expand(scores.shape[:2])
    return F.cross_entropy(scores.flatten(0, 1), wanted.flatten(), reduction="none").view(scores.shape[:2])


def input_gradients(victims: Victims, inputs: np.ndarray | Tensor, classes: np.ndarray | Tensor) -> Tensor:
    """∇ₓ of the cross-entropy towards `classes` of each example on each victim, (victim, batch, *shape)."""
    x = _tensor(victims, inputs)
    x = x.unsqueeze(0).repeat(len(victims), *[1] * x.dim()).requires_grad_()
    scores = victims(x)
    wanted = torch.as_tensor(np.asarray(classes), device=scores.device).expand(scores.shape[:2])
    (gradient,) = torch.autograd.grad(F.cross_entropy(scores.flatten(0, 1), wanted.flatten(), reduction="sum"), x)
    return gradient


def attack(
    victims: Victims,
    inputs: np.ndarray | Tensor,
    classes: np.ndarray | Tensor,
    problem: Problem,
    *,
    targeted: bool = True,
    epsilons: tuple[float, ...] | None = None,
) -> Tensor:
    """The problem's adversary on shared examples: broken, (victim, epsilon, batch) bool.

    Args:
        classes: (batch,), the targets when `targeted`, the true labels when not.
        epsilons: radii; the problem's own if None.
    """
    x = _tensor(victims, inputs)
    goals = torch.as_tensor(np.asarray(classes), dtype=torch.int64, device=x.device)
    threat = problem.threat
    return pgd(
        victims,
        x,
        goals,
        targeted=targeted,
        epsilons=epsilons or (threat.epsilon,),
        steps=threat.steps,
        bounds=problem.bounds,
        norm=threat.norm,
    ).broken


def _defaults(victim: str, n: int) -> tuple[Mapping[str, Any], Recipe]:
    if victim not in RECIPES:
        architecture(victim)
        raise ProtocolError(f"there is no default recipe for {victim!r}; pass options and recipe.")
    return next(found for limit, found in sorted(RECIPES[victim].items()) if n <= limit)


def _tensor(victims: Victims, inputs: np.ndarray | Tensor) -> Tensor:
    like = next(iter(victims.parameters.values()))
    return torch.as_tensor(np.asarray(inputs)).to(like.device, like.dtype) if not isinstance(inputs, Tensor) else inputs
