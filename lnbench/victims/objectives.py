"""What a training step minimises, on which examples, and in which arithmetic: the fields of a recipe put to work.

Every function treats a stack as it treats each of its victims; random numbers come from a stream per victim.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from lnbench.adversary.norms import advance, uniform
from lnbench.errors import ProtocolError
from lnbench.kernels.cross_entropy import cross_entropy
from lnbench.kernels.gather import gather
from lnbench.protocol.recipe import AdversarialTraining, Recipe
from lnbench.victims.emphasis import Emphasis, towards

Network = Callable[[Tensor], Tensor]
"""Inputs (victim, batch, *shape) to logits (victim, batch, class)."""

_BESIDE = 1e-3
"""Standard deviation of the noise from which TRADES' adversary starts, as its authors' does."""


class Dice:
    """The random numbers of a training: a stream per victim, so that a stack's victims draw what they would alone.

    Args:
        order: entropy of each victim's stream; batch orders come from other streams of the same entropy.
        device: where the numbers are drawn.
    """

    def __init__(self, order: Sequence[int], device: torch.device) -> None:
        words = [np.random.SeedSequence(entropy, spawn_key=(1,)).generate_state(1, np.uint64)[0] for entropy in order]
        self.generators = [torch.Generator(device).manual_seed(int(word) >> 1) for word in words]

    def of(self, stay: Tensor) -> Dice:
        """Those of the victims at which `stay` (victim,) bool is true."""
        some = Dice([], torch.device("cpu"))
        some.generators = [g for g, stays in zip(self.generators, stay.tolist(), strict=True) if stays]
        return some

    def each(self, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        """What `draw` gives for each victim, (victim, …)."""
        return torch.stack([draw(generator) for generator in self.generators])


def augmented(inputs: Tensor, place: Tensor, recipe: Recipe, dice: Dice | None) -> Tensor:
    """Examples (victim, batch, *shape): rows `place` (victim, batch) of `inputs`, cropped, mirrored."""
    shift, flip, batch = None, None, place.shape[1]
    if dice is not None and recipe.crop:
        most, device = recipe.crop, inputs.device
        shift = dice.each(lambda g: torch.randint(-most, most + 1, (batch, 2), generator=g, device=device))
    if dice is not None and recipe.mirror:
        flip = dice.each(lambda g: torch.rand(batch, generator=g, device=inputs.device) < 0.5)
    return gather(inputs, place, shift, flip)


def objective(
    recipe: Recipe,
    training: Network,
    trained: Network,
    examples: Tensor,
    classes: Tensor,
    dice: Dice | None,
    bounds: tuple[float, float] | None,
    emphasis: Emphasis | None = None,
) -> tuple[list[Tensor], list[Tensor]]:
    """Logits of the batch, and the gradient of the sum of its examples' objectives with respect to each of them.

    Cross-entropy: softmax(z) − w, with w the wanted distribution. PGD: the same, of the perturbed examples. TRADES adds
    β · KL(p ‖ q), p and q being the predictions for clean and perturbed examples: β · p ∘ (log p − log q − KL) for the
    former's logits and β · (q − p) for the latter's. With `emphasis` another loss takes the place of cross-entropy, and
    each example's objective is multiplied by what it counts.

    Args:
        training, trained: the networks in training, and as if training ended here: the adversary attacks those, so that
            running statistics are of no example twice.
        examples: (victim, batch, *shape).
        classes: (victim, batch) int64.
        emphasis: the batch's, where the recipe or weights of examples ask for one.
    """
    against = recipe.adversarial

    def weighed(outputs: list[Tensor], *more: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The first output's pull towards the labels, plus the first of `more`, and what pulls the others."""
        logits = outputs[0].detach()
        pull = emphasis.pull(logits, classes) if emphasis else towards(logits, classes, recipe.label_smoothing)
        pulls = [pull + more[0], *more[1:]] if more else [pull]
        if emphasis is not None:
            counts = emphasis.counts(logits, classes).unsqueeze(-1)
            pulls = [some * counts for some in pulls]
        return outputs, pulls

    if against is None or dice is None:
        return weighed([_forward(recipe, training, examples)])
    if against.method == "pgd":
        moved = _perturbed(
            against,
            lambda x: _forward(recipe, trained, x),
            examples,
            lambda z: cross_entropy(z, classes)[1],
            dice,
            bounds,
        )
        return weighed([_forward(recipe, training, moved)])
    with torch.no_grad():
        before = _forward(recipe, trained, examples).softmax(-1)
    moved = _perturbed(
        against, lambda x: _forward(recipe, trained, x), examples, lambda z: z.softmax(-1) - before, dice, bounds
    )
    clean, other = _forward(recipe, training, examples), _forward(recipe, training, moved)
    log_p, log_q = clean.detach().log_softmax(-1), other.detach().log_softmax(-1)
    p = log_p.exp()
    gap = log_p - log_q
    of_clean = p * (gap - (p * gap).sum(-1, keepdim=True))
    return weighed([clean, other], against.beta * of_clean, against.beta * (log_q.exp() - p))


def _perturbed(
    against: AdversarialTraining,
    network: Network,
    examples: Tensor,
    ascent: Callable[[Tensor], Tensor],
    dice: Dice,
    bounds: tuple[float, float] | None,
) -> Tensor:
    """Examples moved inside their balls and the box against the network, (victim, batch, *shape).

    Args:
        ascent: gradient of what the adversary wants more of, with respect to the logits.
    """
    shape, origin = examples.shape[1:], examples.flatten(0, 1)
    rows = torch.arange(len(origin), device=examples.device).view(examples.shape[:2])
    radius = origin.new_full((len(origin),), against.epsilon)
    stride = radius * (against.step_factor / against.steps)
    x = examples
    if against.method == "trades":
        x = x + _BESIDE * dice.each(lambda g: origin.new_empty(shape).normal_(generator=g))
    elif against.random_start:
        x = x + against.epsilon * dice.each(lambda g: uniform(tuple(shape), against.norm, origin, g))
    if bounds is not None:
        x = x.clamp(*bounds)
    for _ in range(against.steps):
        x = x.detach().requires_grad_()
        logits = network(x)
        (gradient,) = torch.autograd.grad(logits, x, ascent(logits.detach()))
        x = advance(x.detach(), gradient, origin, rows, stride, radius, bounds, against.norm)
    return x.detach()


def _forward(recipe: Recipe, network: Network, examples: Tensor) -> Tensor:
    """Logits in the examples' type, computed in the recipe's precision."""
    if recipe.precision != "bf16":
        return network(examples)
    with torch.autocast(examples.device.type, torch.bfloat16):
        logits = network(examples)
    return logits.to(examples.dtype)


@contextlib.contextmanager
def precision(recipe: Recipe, device: torch.device) -> Iterator[None]:
    """Matrix products in the recipe's precision while it lasts. (bf16 is a matter of the forward pass.)

    Raises:
        ProtocolError: if the device does not have it.
    """
    if recipe.precision != "tf32":
        yield
        return
    if device.type != "cuda":
        raise ProtocolError(
            f"the recipe's precision tf32 exists on CUDA devices alone, and this training runs on {device.type}; "
            "take fp32 or bf16, or run with --device cuda."
        )
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, convolution.allow_tf32
    matmul.allow_tf32 = convolution.allow_tf32 = True
    try:
        yield
    finally:
        matmul.allow_tf32, convolution.allow_tf32 = before
