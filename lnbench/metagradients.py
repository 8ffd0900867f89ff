"""How a victim's weakness depends on labels: first-order influence of a flip, and training that can be differentiated.

direction = adversarial_gradients(victims, problem, points)    # where a step makes the adversary stronger
flip_slopes(victims, problem, candidates, direction)           # how much each flip pushes that way
adversarial_loss(unrolled(problem, flip), problem, points)     # its gradient in `flip` is the metagradient
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lnbench import surrogates
from lnbench.adversary import pgd
from lnbench.protocol.poisoner import Problem
from lnbench.protocol.seeds import permutation
from lnbench.victims import Parameters, Victims


def adversarial_gradients(
    victims: Victims, problem: Problem, indices: np.ndarray, *, epsilon: float | None = None
) -> Parameters:
    """∇θ of each victim's mean adversarial loss on some source-class points: name -> (victim, …).

    The loss is the cross-entropy towards the points' true labels at the points the problem's adversary leads them to;
    its ascent direction is that of lower adversarial accuracy.

    Args:
        indices: (batch,) training points of source classes.
        epsilon: radius; the threat's if None.
    """
    _, _, truth = _points(victims, problem, indices)
    moved = worst_points(victims, problem, indices, epsilon=epsilon)
    parameters = {name: p.detach().requires_grad_() for name, p in victims.parameters.items()}
    scores = victims.architecture.logits(parameters, moved)
    loss = F.cross_entropy(scores.flatten(0, 1), truth.repeat(len(victims)), reduction="sum") / max(len(indices), 1)
    return dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))


def flip_slopes(victims: Victims, problem: Problem, indices: np.ndarray, direction: Parameters) -> Tensor:
    """⟨∇θ (z_target − z_source)(xᵢ), v⟩ of each point on each victim, (victim, batch).

    Flipping xᵢ adds z_source − z_target to its loss, whatever the network, so that a gradient step on the flipped
    point rather than the clean one moves the parameters along ∇θ (z_target − z_source)(xᵢ). This is by how much that
    agrees with a direction v, for all points at once.

    Args:
        indices: (batch,) training points of source classes.
        direction: v, name -> (victim, …).
    """
    parameters = {name: p.detach().requires_grad_() for name, p in victims.parameters.items()}
    lead = _lead(victims, parameters, *_points(victims, problem, indices))
    weights = torch.zeros_like(lead, requires_grad=True)
    pulled = torch.autograd.grad(lead, list(parameters.values()), weights, create_graph=True)
    # The pull-back is linear in its weights: the gradient of ⟨pull-back, v⟩ in them is the forward-mode derivative.
    along = torch.stack([(g * direction[name]).sum() for name, g in zip(parameters, pulled, strict=True)]).sum()
    (slopes,) = torch.autograd.grad(along, weights)
    return slopes


def flip_gradients(victims: Victims, problem: Problem, index: int) -> Parameters:
    """∇θ (z_target − z_source)(xᵢ) on each victim, name -> (victim, …): where a step on the flipped point leads."""
    parameters = {name: p.detach().requires_grad_() for name, p in victims.parameters.items()}
    lead = _lead(victims, parameters, *_points(victims, problem, np.array([index]))).sum()
    return dict(zip(parameters, torch.autograd.grad(lead, list(parameters.values())), strict=True))


def unrolled(
    problem: Problem,
    flip: Tensor,
    *,
    victim: str = "mlp",
    options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    steps: int = 100,
    batch: int = 128,
    learning_rate: float = 0.2,
    momentum: float = 0.9,
) -> Victims:
    """Train one surrogate on relaxed labels so that its parameters can be differentiated with respect to them.

    The label of eligible point i is (1 − pᵢ) · source + pᵢ · target. Training is gradient descent with momentum, every
    step part of the autograd graph; memory grows with the steps.

    Args:
        flip: p, (m,) in [0, 1], one for each eligible point.
        victim, options, seed: as for `train`.
    """
    made, _ = surrogates.defaults(victim, len(problem.labels), options)
    seed = int(problem.rng.integers(2**62)) if seed is None else seed
    first, second = (int(w) >> 1 for w in np.random.SeedSequence(seed).generate_state(2, np.uint64))
    n, eligible = len(problem.labels), problem.eligible
    inputs = torch.from_numpy(np.array(problem.inputs)).to(flip.device, flip.dtype)
    clean = F.one_hot(torch.from_numpy(np.array(problem.labels)), problem.num_classes).to(flip.device, flip.dtype)
    goals = F.one_hot(torch.from_numpy(problem.flipped(eligible)[eligible]), problem.num_classes).to(clean)
    rows = torch.from_numpy(eligible).to(flip.device)
    labels = clean.index_add(0, rows, flip.unsqueeze(1) * (goals - clean[rows]))
    start = made.init(tuple(inputs.shape[1:]), problem.num_classes, torch.Generator().manual_seed(first))
    parameters = {k: v.unsqueeze(0).to(inputs).requires_grad_() for k, v in start.items()}
    velocity = {k: torch.zeros_like(v) for k, v in parameters.items()}
    batch = min(batch, n)
    order = permutation(n, second, -(-steps * batch // n))
    for step in range(steps):
        index = torch.from_numpy(order[step * batch : (step + 1) * batch].copy()).to(flip.device)
        scores = made.logits(parameters, inputs[index].unsqueeze(0))[0]
        loss = -(labels[index] * F.log_softmax(scores, -1)).sum(-1).mean()
        slopes = torch.autograd.grad(loss, list(parameters.values()), create_graph=True)
        velocity = {k: momentum * velocity[k] + g for k, g in zip(velocity, slopes, strict=True)}
        parameters = {k: v - learning_rate * velocity[k] for k, v in parameters.items()}
    surrogates.count(1)
    return Victims(made, parameters)


def adversarial_loss(
    victims: Victims, problem: Problem, indices: np.ndarray, *, epsilon: float | None = None
) -> Tensor:
    """Mean over victims and points of log p_target − log p_source where the problem's adversary arrives, a scalar.

    Differentiable in the victims' parameters; the adversary's points are held fixed, which is exact to first order at
    a worst point (Danskin).

    Args:
        indices: (batch,) training points of source classes.
        epsilon: radius; the threat's if None.
    """
    _, goals, truth = _points(victims, problem, indices)
    fixed = Victims(victims.architecture, {k: p.detach() for k, p in victims.parameters.items()})
    scores = F.log_softmax(victims(worst_points(fixed, problem, indices, epsilon=epsilon)), -1)
    ahead = scores.gather(-1, goals.expand(len(victims), -1).unsqueeze(-1))
    own = scores.gather(-1, truth.expand(len(victims), -1).unsqueeze(-1))
    return (ahead - own).mean()


def worst_points(victims: Victims, problem: Problem, indices: np.ndarray, *, epsilon: float | None = None) -> Tensor:
    """Where the problem's adversary leads each point on each victim, (victim, batch, *shape): its last iterates.

    Args:
        indices: (batch,) training points of source classes.
        epsilon: radius; the threat's if None.
    """
    clean, goals, _ = _points(victims, problem, indices)
    threat = problem.threat
    points = pgd(
        victims,
        clean,
        goals,
        targeted=True,
        epsilons=(threat.epsilon if epsilon is None else epsilon,),
        steps=threat.steps,
        bounds=problem.bounds,
        norm=threat.norm,
        rule="last",
        keep_points=True,
    ).points
    assert points is not None
    return points[:, 0]


def inner(a: Parameters, b: Parameters) -> Tensor:
    """Inner product of two directions in each victim's parameter space, (victim,)."""
    return torch.stack([(part * b[name]).flatten(1).sum(1) for name, part in a.items()]).sum(0)


def norms(direction: Parameters) -> Tensor:
    """Euclidean length of a direction in each victim's parameter space, (victim,)."""
    return inner(direction, direction).sqrt()


def _points(victims: Victims, problem: Problem, indices: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, targets and true labels of some source-class points, where and as precise as the victims."""
    like = next(iter(victims.parameters.values()))
    return (
        torch.from_numpy(np.array(problem.inputs[indices])).to(like),
        torch.from_numpy(problem.flipped(indices)[indices]).to(like.device),
        torch.from_numpy(np.array(problem.labels[indices])).to(like.device),
    )


def _lead(victims: Victims, parameters: Parameters, inputs: Tensor, goals: Tensor, truth: Tensor) -> Tensor:
    """z_target − z_source of shared inputs (batch, *shape) as a function of the parameters, (victim, batch)."""
    scores = victims.architecture.logits(parameters, inputs.expand(len(victims), *inputs.shape))
    wanted, own = (c.expand(len(victims), -1).unsqueeze(-1) for c in (goals, truth))
    return (scores.gather(-1, wanted) - scores.gather(-1, own)).squeeze(-1)
