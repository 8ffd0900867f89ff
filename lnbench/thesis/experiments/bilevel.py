"""Crafting one flip as a relaxed bilevel optimisation, against trying all flips (thesis §3.3)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lnbench.thesis import drawing, toy_data
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import Verdict, above, clopper_pearson, exceeds
from lnbench.victims import Parameters, architecture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "The relaxed bilevel problem on binary toy sets: the rank of its flip among all single flips"
THESIS = "§3.3"
FULL = {
    "sets": 40,
    "n": 24,
    "distance": 2.0,
    "width": 16,
    "steps": 60,
    "rate": 1.0,
    "outer_steps": 100,
    "outer_rate": 0.3,
    "epsilon": 0.5,
    "fresh": 5,
}
QUICK = {**FULL, "sets": 10}
CHOICES = (
    "{sets} sets of {n} points of D(d = 2, µ√d = {distance}, σ = 1).",
    "The victim has one hidden layer of {width} ReLU units. The outer gradient goes through all of its {steps} "
    "full-batch gradient steps of {rate}.",
    "The relaxation: labels y + p(1 − 2y), where p is the softmax of one logit per point. After {outer_steps} Adam "
    "steps of {outer_rate} the point with the largest logit is flipped. (The thesis only notes that logits would be "
    "needed.)",
    "The objective of equation 4 is the cross-entropy of the true labels at the points moved by one sign step of ε = "
    "{epsilon} (ℓ∞). By that loss the flip is ranked among all {n} single flips, on the same victim and on {fresh} "
    "others.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One: all sets are solved as one stack."""
    return [dict(settings)]


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Solve the relaxed problem on every set, and try every single flip on the same and on fresh victims."""
    sets, n = cell["sets"], cell["n"]
    drawn = [toy_data.gaussians(n, 2, cell["distance"] / 2**0.5, np.random.default_rng([33, s])) for s in range(sets)]
    inputs = torch.from_numpy(np.stack([x for x, _ in drawn]))
    labels = torch.from_numpy(np.stack([y for _, y in drawn])).float()
    logits = torch.zeros(sets, n, requires_grad=True)
    optimiser = torch.optim.Adam([logits], cell["outer_rate"])
    start, first = _start(cell, sets, 0), None
    for step in range(cell["outer_steps"]):
        share = logits.softmax(1)
        victims = _descended(cell, start, inputs, labels + share * (1 - 2 * labels), unrolled=True)
        loss = _adversarial_loss(cell, victims, inputs, labels)
        optimiser.zero_grad()
        (-loss.sum()).backward()
        first = -logits.grad.clone() if first is None and logits.grad is not None else first
        optimiser.step()
        report(0.8 * (step + 1) / cell["outer_steps"])
    if first is None:
        raise RuntimeError("the outer problem took no step")
    every = torch.stack([_all_flips(cell, inputs, labels, seed) for seed in range(cell["fresh"] + 1)])
    return {
        "found": logits.argmax(1).tolist(),
        "first": first.argmax(1).tolist(),
        "share": logits.softmax(1).max(1).values.tolist(),
        "same": every[0].tolist(),
        "fresh": every[1:].mean(0).tolist(),
        "points": inputs[0].tolist(),
        "labels": labels[0].tolist(),
    }


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """Whether the flip is the best, is better than chance, and is good for other victims, too."""
    result, n, sets = results[0]["result"], settings["n"], settings["sets"]
    ranks = {k: _ranks(result[k[1]], result[k[0]]) for k in (("found", "same"), ("found", "fresh"), ("first", "same"))}
    best = int((ranks["found", "same"] == 1).sum())
    low, high = clopper_pearson(best, sets)
    chance = (n + 1) / 2
    return [
        Verdict(
            "Not in the thesis: the relaxed bilevel problem finds the best single flip of the victim it is solved for.",
            exceeds(low, high, 0.5),
            f"it does in {best} of {sets} sets [{100 * low:.0f} %, {100 * high:.0f} %]; median rank "
            f"{np.median(ranks['found', 'same']):.0f} of {n}",
            best / sets,
            low,
            high,
            sets,
        ),
        above(
            "Not in the thesis: its flip is better than chance, on that victim.",
            f"mean rank of chance ({chance:g}) minus rank of the flip",
            chance - ranks["found", "same"],
            unit="ranks",
        ),
        above(
            "Not in the thesis: its flip is better than chance, on victims with other initialisations.",
            f"mean rank of chance ({chance:g}) minus rank of the flip by the mean loss of {settings['fresh']} others",
            chance - ranks["found", "fresh"],
            unit="ranks",
        ),
        above(
            "Not in the thesis: its solution is better than the flip at the largest entry of the first gradient.",
            "rank of the flip by the first gradient minus rank of the flip by the solution",
            ranks["first", "same"] - ranks["found", "same"],
            unit="ranks",
        ),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """The loss of every flip on the first set, and the ranks over all sets."""
    figure, ((left, right),) = drawing.panels(2, width=3.7, height=3.2)
    result, n = results[0]["result"], settings["n"]
    points, labels, losses = (np.array(result[k]) for k in ("points", "labels", "same"))
    for label, marker in ((0, "o"), (1, "s")):
        some = labels == label
        image = left.scatter(
            *points[some].T,
            c=losses[0][some],
            marker=marker,
            s=46,
            cmap="viridis",
            vmin=losses[0].min(),
            vmax=losses[0].max(),
            edgecolors="black",
            linewidths=0.5,
        )
    figure.colorbar(image, ax=left, label="adversarial loss if this point is flipped", shrink=0.9)
    left.scatter(*points[result["found"][0]], s=190, facecolors="none", edgecolors=drawing.POISONED, linewidths=1.8)
    left.scatter(*points[losses[0].argmax()], s=90, marker="+", color="black", linewidths=1.2)
    left.set(title="(a) one set: solution ◯, best +", xlabel="x₁ / σ", ylabel="x₂ / σ")
    shown = (
        ("found", "same", drawing.POISONED, "solution, same victim"),
        ("found", "fresh", drawing.THIRD, "solution, other victims"),
        ("first", "same", drawing.GREY, "first gradient, same victim"),
    )
    for which, on, colour, name in shown:
        ranks = np.sort(_ranks(result[on], result[which]))
        right.step(
            [0, *ranks, n], [0, *np.arange(1, len(ranks) + 1) / len(ranks), 1], where="post", color=colour, label=name
        )
    right.plot([0, n], [0, 1], color="black", linestyle=":", linewidth=1, label="chance")
    right.set(title="(b) all sets", xlabel=f"rank among the {n} single flips (1 is best)", ylabel="share of sets")
    drawing.percent(right)
    right.legend(loc="lower right", fontsize=8)
    return figure


def _ranks(losses: list[list[float]], chosen: list[int]) -> np.ndarray:
    """Rank of the chosen flip of each set by its loss, 1 for the largest, (set,)."""
    values = np.array(losses)
    ranks: np.ndarray = 1 + (values > values[np.arange(len(values)), chosen][:, None]).sum(1)
    return ranks


def _start(cell: dict[str, Any], victims: int, seed: int) -> Parameters:
    """Initial parameters, each (victim, …); those of victim v are drawn from `seed` and v."""
    mlp = architecture("mlp", {"width": cell["width"], "depth": 1})
    starts = [mlp.init((2,), 2, torch.Generator().manual_seed(1000 * seed + v)) for v in range(victims)]
    return {name: torch.stack([start[name] for start in starts]).requires_grad_() for name in starts[0]}


def _descended(
    cell: dict[str, Any], start: Parameters, inputs: Tensor, targets: Tensor, *, unrolled: bool
) -> Parameters:
    """Parameters after full-batch gradient descent on soft binary targets (victim, n).

    Args:
        unrolled: keep the graph, so that gradients with respect to the targets can be taken.
    """
    parameters = start
    for _ in range(cell["steps"]):
        loss = F.binary_cross_entropy_with_logits(_margins(cell, parameters, inputs), targets, reduction="none")
        gradients = torch.autograd.grad(loss.mean(1).sum(), list(parameters.values()), create_graph=unrolled)
        parameters = {
            name: value - cell["rate"] * gradient
            for (name, value), gradient in zip(parameters.items(), gradients, strict=True)
        }
        if not unrolled:
            parameters = {name: value.detach().requires_grad_() for name, value in parameters.items()}
    return parameters


def _margins(cell: dict[str, Any], parameters: Parameters, inputs: Tensor) -> Tensor:
    """Lead of the logit of class 1 over that of class 0, (victim, n)."""
    logits = architecture("mlp", {"width": cell["width"], "depth": 1}).logits(parameters, inputs)
    return logits[..., 1] - logits[..., 0]


def _adversarial_loss(cell: dict[str, Any], parameters: Parameters, inputs: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of the true labels at the points moved by one sign step, (victim,)."""
    fixed = {name: value.detach() for name, value in parameters.items()}
    x = inputs.clone().requires_grad_()
    loss = F.binary_cross_entropy_with_logits(_margins(cell, fixed, x), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, x)
    moved = inputs + cell["epsilon"] * gradient.sign()
    return F.binary_cross_entropy_with_logits(_margins(cell, parameters, moved), labels, reduction="none").mean(1)


def _all_flips(cell: dict[str, Any], inputs: Tensor, labels: Tensor, seed: int) -> Tensor:
    """Adversarial loss after each single flip, (set, n); the victims of a set share their initialisation."""
    sets, n = labels.shape
    start = {k: p.detach().repeat_interleave(n, 0).requires_grad_() for k, p in _start(cell, sets, seed).items()}
    flips = torch.eye(n).repeat(sets, 1)
    x, y = inputs.repeat_interleave(n, 0), labels.repeat_interleave(n, 0)
    victims = _descended(cell, start, x, y + flips * (1 - 2 * y), unrolled=False)
    return _adversarial_loss(cell, victims, x, y).detach().view(sets, n)
