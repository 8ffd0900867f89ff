"""What is said to make a point harmful: scores of each point that may be flipped, from the training set alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from lnbench import adversary, data, graphs, metagradients, surrogates
from lnbench.data import Split
from lnbench.exact.nearest import Cells
from lnbench.protocol import Problem, Streams, Threat, Track

_NEAR = 0.05
"""Share of the pairs of the class that are neighbours in its graph."""
_SURROGATES = 4


def run(cell: dict[str, Any], report: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """The scores of one split, in a worker: `points` that may be flipped, and `scores` of each by name."""
    torch.set_num_threads(1)
    track = Track.from_document(cell["track"])
    points = data.load(track, cell["split"])
    made = scores(track, cell["split"], points)
    may = _problem(track, cell["split"], points).eligible
    return {"points": may.tolist(), "scores": {name: values.tolist() for name, values in made.items()}}


def scores(track: Track, split: int, points: Split) -> dict[str, np.ndarray]:
    """Score -> one number a point that may be flipped, (eligible,); more means more harm, if the idea is right.

    `path length`: distance to the decision boundary along an adversarial path (thesis §4.10), median over surrogates.
    `degree`: neighbours in the class graph (§4.1). `density`: of a Gaussian fitted to the class (§4.6). `cell
    coverage`: of the class's other points, how many can be moved by ε into this point's Voronoi cell
    (`lnbench.exact`), each taken out of the training set for it. `influence`: how much a step on the flipped point
    raises the adversarial loss of trained surrogates. `metagradient`: the adversarial loss after training,
    differentiated through training.
    """
    problem = _problem(track, split, points)
    may = problem.eligible
    flat = points.inputs[may].reshape(len(may), -1)
    graph = graphs.class_graph(flat, graphs.radius(flat, _NEAR))
    networks = surrogates.train(problem, np.tile(problem.labels, (_SURROGATES, 1)))
    lengths = adversary.path_lengths(
        networks,
        torch.from_numpy(np.array(points.inputs[may])),
        torch.from_numpy(np.array(points.labels[may])),
        targeted=False,
        step=0.01,
        max_steps=300,
    )
    uphill = metagradients.adversarial_gradients(networks, problem, may)
    slopes = metagradients.flip_slopes(networks, problem, may, uphill)
    slopes = slopes / metagradients.norms(uphill).clamp(min=1e-12).unsqueeze(1)
    meta = np.zeros(len(may))
    for _ in range(_SURROGATES):
        flip = torch.full((len(may),), problem.budget / len(may), requires_grad=True)
        made = metagradients.unrolled(problem, flip)
        (up,) = torch.autograd.grad(metagradients.adversarial_loss(made, problem, may), flip)
        meta += up.double().numpy() / _SURROGATES
    return {
        "path length": lengths.double().quantile(0.5, dim=0).cpu().numpy(),
        "degree": graphs.degrees(graph).astype(float),
        "density": graphs.log_density(flat),
        "cell coverage": left_out_coverage(points, may, track).sum(0).astype(float),
        "influence": slopes.mean(0).double().cpu().numpy(),
        "metagradient": meta,
    }


def left_out_coverage(points: Split, may: np.ndarray, track: Track) -> np.ndarray:
    """Which points' cells each point of the class reaches by ε when it is left out of the training set, (point, cell).

    Args:
        may: indices of the points that may be flipped, ascending.
    """
    reach = np.zeros((len(may), len(may)), dtype=bool)
    for row, index in enumerate(may):
        rest = np.delete(np.arange(len(points.labels)), index)
        cells = Cells(points.inputs[rest], track.adversary.norm, points.bounds)
        of = np.flatnonzero(np.isin(rest, may))
        found = cells.reached(points.inputs[index : index + 1], of, [track.adversary.epsilon])
        reach[row, np.delete(np.arange(len(may)), row)] = np.isfinite(found[0])
    return reach


def _problem(track: Track, split: int, points: Split) -> Problem:
    """The problem of a split, as a poisoner gets it."""
    threat = track.adversary
    return Problem(
        inputs=points.inputs,
        labels=points.labels,
        num_classes=track.data.classes,
        budget=track.noise.budget,
        pairs=track.pairs(split),
        threat=Threat(threat.norm, threat.epsilon, threat.steps),
        rng=Streams(track.root).generator("truth/scores", split),
        split=split,
        bounds=points.bounds,
    )
