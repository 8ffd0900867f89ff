"""Surrogates: victims a poisoner trains for itself, many at once, to see what a labelling does.

They are trained by the same code as the referee's victims, in the poisoner's own process, on the training inputs it was
given. Every victim trained is counted; the count is what a record calls `trainings`.

    surrogates = train(problem, labels, victim="mlp", seed=0)      # labels (victim, n)
    broken = attack(surrogates, inputs, classes, problem)          # which points the track's adversary breaks
    harm(problem, sets, seed=0)                                    # how much each of some sets of flips hurts
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lnbench.adversary import pgd
from lnbench.errors import ProtocolError, nearest
from lnbench.protocol.poisoner import Problem
from lnbench.protocol.recipe import Recipe
from lnbench.victims import Architecture, Victims, architecture
from lnbench.victims import train as train_victims

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

_RESERVE = 2.0
"""Seconds that are left for everything else when measuring stops."""

_BLOCK = 16
"""Surrogates trained at once."""

Treat = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray | None]]
"""What a defence makes of labels (n,): the labels to train on, and what each point counts, at least 0, or None."""

_spent = 0
_slowest: dict[str, float] = {}
"""Architecture -> most seconds that measuring one surrogate of it has taken in this process."""


def trainings_spent() -> int:
    """Victims trained by this process so far."""
    return _spent


def count(victims: int) -> None:
    """Count victims that were trained by other means than `train`."""
    global _spent
    _spent += victims


def train(
    problem: Problem,
    labels: np.ndarray,
    *,
    victim: str = "mlp",
    options: Mapping[str, Any] | None = None,
    recipe: Recipe | None = None,
    seed: int | None = None,
    block: int = _BLOCK,
    extra_classes: int = 0,
    weights: np.ndarray | None = None,
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
        weights: (victim, n) numbers of at least 0, what each point counts; all the same if None.
        changes: fields of the recipe to replace, such as `steps=200` or `stop_when_memorised=True`.

    Raises:
        ProtocolError: if there is no such architecture, option or recipe field, or the shapes do not fit.
    """
    rows = np.atleast_2d(np.asarray(labels, dtype=np.int64))
    if options is not None and recipe is not None:
        made, how = architecture(victim, options), recipe
    else:
        made, default = defaults(victim, len(problem.labels), options)
        how = recipe or default
    known = list(Recipe.__struct_fields__)
    for name in changes:
        if name not in known:
            raise ProtocolError(f"a recipe has no field {name!r}; {nearest(name, known)}")
    how = how.changed(changes)
    if seed is None:
        seed = int(problem.rng.integers(2**62))
    words = np.random.SeedSequence(seed).generate_state(2 * len(rows), np.uint64) >> np.uint64(1)
    inputs = torch.from_numpy(np.array(problem.inputs)).to(problem.device)
    counts = None if weights is None else torch.from_numpy(np.asarray(weights, dtype=np.float32)).to(problem.device)
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
                weights=None if counts is None else counts[some],
                bounds=problem.bounds,
            )
        )
        count(len(rows[some]))
    return Victims.joined(stacks)


def logits(victims: Victims, inputs: np.ndarray | Tensor, chunk: int = 512) -> Tensor:
    """Logits (victim, batch, class) of shared inputs (batch, *shape)."""
    with torch.no_grad():
        return torch.cat([victims(part.unsqueeze(0)) for part in _inputs(victims, inputs).split(chunk)], 1)


def features(victims: Victims, inputs: np.ndarray | Tensor, chunk: int = 512) -> Tensor:
    """Penultimate activations (victim, batch, feature) of shared inputs (batch, *shape)."""
    with torch.no_grad():
        return torch.cat([victims.features(part.unsqueeze(0)) for part in _inputs(victims, inputs).split(chunk)], 1)


def losses(victims: Victims, inputs: np.ndarray | Tensor, classes: np.ndarray | Tensor, chunk: int = 512) -> Tensor:
    """Cross-entropy of each example on each victim, (victim, batch)."""
    scores = logits(victims, inputs, chunk)
    wanted = _classes(victims, classes).expand(scores.shape[:2])
    return F.cross_entropy(scores.flatten(0, 1), wanted.flatten(), reduction="none").view(scores.shape[:2])


def input_gradients(victims: Victims, inputs: np.ndarray | Tensor, classes: np.ndarray | Tensor) -> Tensor:
    """∇ₓ of the cross-entropy towards `classes` of each example on each victim, (victim, batch, *shape)."""
    x = _inputs(victims, inputs)
    x = x.unsqueeze(0).repeat(len(victims), *[1] * x.dim()).requires_grad_()
    scores = victims(x)
    wanted = _classes(victims, classes).expand(scores.shape[:2])
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
    threat = problem.threat
    return pgd(
        victims,
        _inputs(victims, inputs),
        _classes(victims, classes),
        targeted=targeted,
        epsilons=epsilons or (threat.epsilon,),
        steps=threat.steps,
        bounds=problem.bounds,
        norm=threat.norm,
    ).broken


def harm(
    problem: Problem,
    sets: np.ndarray,
    *,
    victim: str = "mlp",
    seed: int | None = None,
    radii: Sequence[float] = (0.5, 0.75, 1.0, 1.25),
    points: int = 512,
    block: int = _BLOCK,
    treat: Treat | None = None,
    **changes: Any,
) -> np.ndarray:
    """How much each of some sets of flips hurts one surrogate: the share of the class that its adversary breaks.

    One surrogate per set is trained on the set's labels; the problem's adversary then attacks, towards each point's
    target, the points of the source classes that the set left alone. The share broken is averaged over radii around
    the threat's, because one radius alone is often at its floor or ceiling for one architecture.

    When the problem's time runs short, the sets that are left are not measured.

    Args:
        sets: (set, k) int64, indices of eligible points.
        victim, block, changes: as for `train`.
        seed: seeds the surrogates and the choice of points; drawn from `problem.rng` if None.
        radii: in units of the threat's radius.
        points: source-class points that are attacked at most, drawn at random where there are more.
        treat: what a defence makes of a set's labels before a surrogate is trained on them.

    Returns:
        (set,) float64 in [0, 1], larger is worse for the victim; NaN for sets that were not measured, 0 where every
        source-class point is flipped.
    """
    seed = int(problem.rng.integers(2**62)) if seed is None else seed
    rng, eligible = np.random.default_rng(seed), problem.eligible
    some = np.sort(rng.choice(eligible, min(points, len(eligible)), replace=False))
    goals = problem.flipped(some)[some]
    epsilons = tuple(problem.threat.epsilon * r for r in radii)
    shares = np.full(len(sets), np.nan)
    for start in range(0, len(sets), block):
        begin, rows = time.monotonic(), sets[start : start + block]
        if problem.seconds_left() < _RESERVE + 1.5 * _slowest.get(victim, 0.0) * len(rows):
            break
        labels = np.stack([problem.flipped(row) for row in rows])
        heeded, weights = _treated(labels, treat)
        how = {"seed": int(rng.integers(2**62)), "block": block, "weights": weights, **changes}
        trained = train(problem, heeded, victim=victim, **how)
        untouched = labels[:, some] == problem.labels[some]
        broken = attack(trained, problem.inputs[some], goals, problem, epsilons=epsilons).double().mean(1).cpu().numpy()
        shares[start : start + block] = (broken * untouched).sum(1) / np.maximum(untouched.sum(1), 1)
        _slowest[victim] = max(_slowest.get(victim, 0.0), (time.monotonic() - begin) / len(rows))
    return shares


def _treated(labels: np.ndarray, treat: Treat | None) -> tuple[np.ndarray, np.ndarray | None]:
    """Labels (victim, n) and weights as a defence leaves them."""
    if treat is None:
        return labels, None
    rows, weights = zip(*map(treat, labels), strict=True)
    whole = [np.ones(labels.shape[1]) if some is None else some for some in weights]
    return np.stack(rows), np.stack(whole)


def ensemble_harm(problem: Problem, sets: np.ndarray, victims: Sequence[str], **options: Any) -> np.ndarray:
    """Mean harm of each set over several architectures, (set,); NaN for sets some architecture did not get to measure.

    Args:
        victims: names of architectures; one surrogate of each is trained per set.
        options: as for `harm`, but for a seed: every architecture's is its own, drawn from `problem.rng`.
    """
    block, shares = options.get("block", _BLOCK), np.full(len(sets), np.nan)
    for start in range(0, len(sets), block):  # all architectures on some sets, then on the next: time may run out
        some = slice(start, start + block)
        total = np.zeros(len(sets[some]))
        for victim in victims:
            total = total + harm(problem, sets[some], victim=victim, **options) / len(victims)
            if np.isnan(total).any():
                break
        shares[some] = total
        if np.isnan(total).any():
            break
    return shares


def representation(
    problem: Problem, space: str, *, dims: int = 16, surrogates: int = 1, victim: str = "cnn"
) -> np.ndarray:
    """The eligible points as vectors, (m, d) float64.

    Args:
        space: `"input"`: the inputs themselves; `"pca"`: coordinates on the first `dims` principal directions of the
            whole training set; `"features"`: penultimate activations of networks trained on the clean labels, each
            network's scaled to a mean square norm of 1.
        surrogates: networks whose features are laid side by side.
        victim: their architecture.

    Raises:
        ProtocolError: if there is no such space.
    """
    flat = np.asarray(problem.inputs, dtype=np.float64).reshape(len(problem.inputs), -1)
    eligible = problem.eligible
    if space == "input":
        chosen: np.ndarray = flat[eligible]
        return chosen
    if space == "pca":
        if dims < 1:
            raise ProtocolError(f"a representation keeps at least one principal direction; got dims = {dims}.")
        from sklearn.decomposition import PCA

        fitted = PCA(min(dims, *flat.shape), svd_solver="covariance_eigh").fit(flat)
        projected: np.ndarray = fitted.transform(flat[eligible])
        return projected
    if space != "features":
        raise ProtocolError(f"a representation is of space input, pca or features; got {space!r}.")
    trained = train(problem, np.tile(problem.labels, (surrogates, 1)), victim=victim)
    each = features(trained, np.array(problem.inputs[eligible])).double().cpu().numpy()
    scale = np.sqrt((each**2).sum(2).mean(1)) if each.size else np.ones(surrogates)
    each = each / np.maximum(scale, 1e-12)[:, None, None]
    return np.concatenate(list(each), axis=1)


def defaults(victim: str, n: int, options: Mapping[str, Any] | None = None) -> tuple[Architecture, Recipe]:
    """An architecture, with the options of `RECIPES` unless others are given, and how to train it on n points.

    Raises:
        ProtocolError: if there is no such architecture or option, or no recipe for it.
    """
    if victim not in RECIPES:
        architecture(victim)
        raise ProtocolError(f"there is no default recipe for {victim!r}; pass options and recipe.")
    chosen, recipe = next(default for limit, default in sorted(RECIPES[victim].items()) if n <= limit)
    return architecture(victim, chosen if options is None else options), recipe


def _inputs(victims: Victims, inputs: np.ndarray | Tensor) -> Tensor:
    """Inputs where and as precise as the victims."""
    like = next(iter(victims.parameters.values()))
    return (inputs if isinstance(inputs, Tensor) else torch.as_tensor(np.asarray(inputs))).to(like.device, like.dtype)


def _classes(victims: Victims, classes: np.ndarray | Tensor) -> Tensor:
    """Classes where the victims are, int64."""
    where = next(iter(victims.parameters.values())).device
    return (classes if isinstance(classes, Tensor) else torch.as_tensor(np.asarray(classes))).to(where, torch.int64)
