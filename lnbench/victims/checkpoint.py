"""Early stopping: points that a victim is not trained on, and the parameters at which it predicts their labels best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lnbench.errors import ProtocolError
from lnbench.kernels.cross_entropy import cross_entropy
from lnbench.kernels.gather import gather
from lnbench.protocol.seeds import permutation
from lnbench.victims.architecture import Architecture, Parameters

_CHUNK = 512


def held_out(
    pool: Sequence[np.ndarray], share: float, order: Sequence[int]
) -> tuple[list[np.ndarray], tuple[Tensor, Tensor]]:
    """Each victim's pool of points cut in two, at random: to be trained on, and to be looked at.

    Args:
        pool: places of points, one ascending array a victim.
        share: of each pool that is looked at; at least one point.
        order: entropy of each victim's batch order, of which the cut takes a stream of its own.

    Returns:
        The first parts, ascending; and of the second ones the places (victim, most) int64, filled up with the first of
        them, and (victim, most) float64, 1 / number of them, and 0 for what fills up.

    Raises:
        ProtocolError: if a pool holds less than two points.
    """
    if min(map(len, pool)) < 2:
        raise ProtocolError(
            "early stopping holds some training points out, and a victim has a single one; give it more."
        )
    trained, looked = [], []
    for points, entropy in zip(pool, order, strict=True):
        words = np.random.SeedSequence(entropy, spawn_key=(2,)).generate_state(4, np.uint64)
        drawn = permutation(len(points), sum(int(word) << 64 * i for i, word in enumerate(words)))
        number = min(max(1, int(share * len(points))), len(points) - 1)
        looked.append(points[np.sort(drawn[:number])])
        trained.append(points[np.sort(drawn[number:])])
    most = max(map(len, looked))
    places = np.stack([np.concatenate([some, np.full(most - len(some), some[0])]) for some in looked])
    parts = np.stack([np.where(np.arange(most) < len(some), 1 / len(some), 0.0) for some in looked])
    return trained, (torch.from_numpy(places), torch.from_numpy(parts))


class Checkpoint:
    """The best parameters so far of every victim of a stack, by the cross-entropy on the points held out.

    Args:
        places, parts: of those points, as `held_out` returns them.
        inputs, labels, subset: as of `train`.

    Attributes:
        parameters: name -> (victim, …), as they were best.
        steps: (victim,) int64, when that was.
        losses: (victim,), the cross-entropy there.
    """

    def __init__(self, places: Tensor, parts: Tensor, inputs: Tensor, labels: Tensor, subset: Tensor | None) -> None:
        places = places.to(inputs.device)
        self._inputs, self._parts = inputs, parts.to(inputs.device, inputs.dtype)
        self._classes = labels.gather(1, places)
        self._places = places if subset is None else subset.gather(1, places)
        self.losses = torch.full((len(labels),), float("inf"), device=inputs.device, dtype=inputs.dtype)
        self.steps = torch.zeros(len(labels), dtype=torch.int64, device=inputs.device)
        self.parameters: Parameters = {}

    def look(self, architecture: Architecture, parameters: Parameters, step: int) -> None:
        """Measure the victims after some steps, and take the parameters of those that were never better.

        Args:
            parameters: name -> (victim, …); they are copied.
        """
        with torch.no_grad():
            losses = [
                cross_entropy(architecture.logits(parameters, gather(self._inputs, place)), classes)[0]
                for place, classes in zip(self._places.split(_CHUNK, 1), self._classes.split(_CHUNK, 1), strict=True)
            ]
        loss = (torch.cat(losses, 1) * self._parts).sum(1)
        better = loss < self.losses
        self.losses, self.steps = torch.where(better, loss, self.losses), torch.where(better, step, self.steps)
        for name, now in parameters.items():
            best = self.parameters.get(name, now)
            self.parameters[name] = torch.where(better.view(-1, *[1] * (now.dim() - 1)), now, best).clone()
