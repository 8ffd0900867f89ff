"""Training against label noise: towards what an example pulls, and how much it counts.

Everything has a row per victim and treats a stack as it treats each of its victims; the two networks of co-teaching are
rows v and V + v of a stack of 2 · V.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lnbench.kernels.cross_entropy import cross_entropy
from lnbench.protocol.recipe import Recipe


def towards(logits: Tensor, classes: Tensor, smoothing: float) -> Tensor:
    """Gradient of the cross-entropy towards (1 − s) · onehot + s / classes, (…, class)."""
    _, gradient = cross_entropy(logits, classes)
    if smoothing:
        gradient.sub_(smoothing / logits.shape[-1])
        gradient.scatter_add_(-1, classes.unsqueeze(-1), gradient.new_full((*classes.shape, 1), smoothing))
    return gradient


class Emphasis:
    """The loss and the weight of every example of a batch, where they are not cross-entropy and 1.

    Args:
        points: training points of a victim.
        weights: (victim, points), what each point counts; 1 if None.
    """

    def __init__(self, recipe: Recipe, points: int, weights: Tensor | None) -> None:
        self.recipe, self.points, self.weights = recipe, points, weights
        self.memory: Tensor | None = None
        self._index, self._trim, self._remember = torch.empty(0), 0.0, True

    @classmethod
    def asked(cls, recipe: Recipe, points: int, weights: Tensor | None) -> Emphasis | None:
        """What a recipe and weights ask for; None where all examples count the same towards their labels."""
        plain = recipe.loss == "cross-entropy" and not recipe.elr and not recipe.trim and weights is None
        return None if plain else cls(recipe, points, weights)

    def begin(self, index: Tensor, step: int, *, remember: bool = True) -> None:
        """Turn to a batch.

        Args:
            index: (victim, batch) int64, places among the training points.
            step: the number of steps before.
            remember: let its predictions enter ELR's running means.
        """
        ramp = self.recipe.trim_ramp * self.recipe.steps
        self._index, self._remember = index, remember
        self._trim = self.recipe.trim * (min(1.0, step / ramp) if ramp else 1.0)

    def pull(self, logits: Tensor, classes: Tensor) -> Tensor:
        """Gradient of each example's loss with respect to its logits, (victim, batch, class).

        GCE: p_y^q · (p − onehot). ELR adds −λ · p ∘ (t − s) / (1 − s), with s = ⟨t, p⟩.
        """
        gradient = towards(logits, classes, self.recipe.label_smoothing)
        if self.recipe.loss == "gce":
            own = logits.softmax(-1).gather(-1, classes.unsqueeze(-1))
            gradient = gradient * own.pow(self.recipe.gce_q)
        if self.recipe.elr:
            p = logits.softmax(-1).clamp(1e-4, 1 - 1e-4)
            target = self._recalled(p)
            likeness = (target * p).sum(-1, keepdim=True)
            gradient = gradient - self.recipe.elr * p * (target - likeness) / (1 - likeness)
        return gradient

    def counts(self, logits: Tensor, classes: Tensor) -> Tensor:
        """What each example counts, (victim, batch): its weight, times batch / kept or 0 where examples are trimmed."""
        counts = torch.ones_like(logits[..., 0]) if self.weights is None else self.weights.gather(1, self._index)
        batch = classes.shape[1]
        kept = batch - int(self._trim * batch + 1e-9)
        if kept < batch:
            losses = cross_entropy(logits, classes)[0]
            if self.recipe.co_teaching:
                losses = losses.roll(len(losses) // 2, 0)
            rank = losses.argsort(dim=-1, stable=True).argsort(dim=-1, stable=True)
            counts = counts * (rank < kept) * (batch / kept)
        return counts

    def keep(self, stay: Tensor) -> None:
        """Go on with the victims at which `stay` (victim,) bool is true."""
        self.weights = None if self.weights is None else self.weights[stay]

    def _recalled(self, p: Tensor) -> Tensor:
        """The running means of the batch's predictions, (victim, batch, class), these among them."""
        if self.memory is None:
            self.memory = p.new_zeros(len(p), self.points, p.shape[-1])
        place = self._index.unsqueeze(-1).expand_as(p)
        before = self.memory.gather(1, place)
        if not self._remember:
            return before
        beta = self.recipe.elr_memory
        now = beta * before + (1 - beta) * p / p.sum(-1, keepdim=True)
        self.memory.scatter_(1, place, now)
        return now
