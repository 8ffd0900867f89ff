"""Do memorised flips sit in pockets or stretch the decision boundary, and which is worse? (thesis §4.9–4.10)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lnbench.adversary import path_lengths
from lnbench.thesis import drawing, epsilon, flip_set_results, flip_sets, images, networks, shared_networks
from lnbench.thesis.experiment import Results, Settings, collect
from lnbench.thesis.plan import GUESS, Plan
from lnbench.thesis.verdicts import Verdict, above, memorised, resting
from lnbench.victims import Victims

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, 9 → 0: what each memorised flip costs, beside its pocket radius and its bridge to the target class"
THESIS = "§4.8–§4.10, figure 12"
QUICK = {
    **images.QUICK,
    "test": 150,
    "networks": 4,
    "flips": 5,
    "others": 2,
    "epsilon": epsilon.GRID,
    "pgd_steps": 20,
    "step": 0.001,
    "most": 1000,
    "along": 101,
    "map": 48,
}
FULL = {**QUICK, **images.FULL, "splits": 21, "test": 1000, "networks": 5, "flips": 8}
PLAN = {
    "path": Plan(1, 1.1, "pockets quick", tests=3),
    "bridge": Plan(1, 1.3, "pockets quick", tests=3),
    "radius": Plan(1, 1.2, "pockets quick", tests=3),
    "connected": Plan(20, 10, GUESS),
    "owners": Plan(5, 2.1, "pockets quick"),
}
CHOICES = (
    *images.CHOICES,
    images.TARGETED,
    epsilon.RULE,
    "{networks} networks a split with {flips} random flips 9 → 0 each, and a clean one; the random flips of the rule "
    "are these. Each network is trained again without each of its flips in turn. What a flip costs is AA without it "
    "minus AA with it; a test point that is broken with it and not without it is its own. As any change of the labels "
    "lets some points stand by chance, each network is trained {others} times more with one random flip 3 → 5 added. "
    "Only memorised flips count. At full size the network stays an MLP.",
    "The pocket radius is the length of the adversarial path from the flip back to its true class, in ℓ∞, with steps "
    "of {step} and at most {most} of them.",
    "Connectivity is the share of {along} points on the segment from the flip to the nearest (ℓ2) training point of "
    "class 0 that the network classifies as 0; the control says how much of it the clean network gives to other "
    "classes. At level quick it was 100 % for nearly all flips. What varies is the bridge, the least lead, on the same "
    "points, of the logit of class 0 over the next: how wide the region of class 0 is that reaches the flip. How far "
    "it is stretched is the path of the clean network from the flip to class 0, in the same steps. “A large number” "
    "means more than half; “well away” means that the clean network gives more than 10 % of the segment to other "
    "classes.",
    "Within a split the costs of the flips are regressed on path, bridge and radius, each alone and standardised, less "
    "the means of their network. The interval is over the slopes of the splits, for three tests at once (Bonferroni). "
    "(Until level quick had been run, the bridge, then a lead in probability, stood for the stretch, and the slopes "
    "were partial ones; as bridge and radius go together, they had opposite signs.)",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return images.cells(settings)


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Pocket and bridge of every flip in its network, and what AA is with it and without it."""
    sample = images.load_mnist(cell)
    sets = flip_sets.random_sets([sample.of_class(9)], cell["flips"], cell["networks"], sample.rng)
    added = sample.rng.choice(sample.of_class(3), (cell["networks"], cell["others"]), replace=False)
    rows = [np.delete(index, leave) for index in sets for leave in ([], *range(len(index)), *[[]] * cell["others"])]
    labels = np.stack([sample.flipped(index, 0) for index in rows])
    per = 1 + cell["flips"] + cell["others"]
    for v, row in enumerate(added):
        labels[v * per + 1 + cell["flips"] + np.arange(len(row)), row] = 5
    victims, clean = networks.train(cell, sample, labels, report), shared_networks.clean(cell, sample)
    tests = sample.tests_of_class(9)
    (unflipped,), broken = (networks.broken(cell, stack, tests, 0) for stack in (clean, victims))
    by_network = broken.unflatten(0, (-1, per))
    whole, without, other = by_network.split([1, cell["flips"], cell["others"]], 1)
    owners, costs = ownership(torch.cat([whole, without], 1).flatten(0, 1), unflipped, cell["flips"])
    chance, _ = ownership(torch.cat([whole, other], 1).flatten(0, 1), unflipped, cell["others"])
    every = np.unique(np.concatenate(sets))
    kept = [np.searchsorted(every, index) for index in rows]
    inputs = torch.from_numpy(sample.inputs)
    zeros = inputs[sample.of_class(0)]
    flips = []
    for v, index in enumerate(sets):
        one, points = _one(victims, per * v), inputs[index]
        path = {"step": cell["step"], "max_steps": cell["most"]}
        steps = path_lengths(one, points, torch.full((len(index),), 9), **path)[0]
        away = path_lengths(clean, points, torch.full((len(index),), 0), **path)[0]
        apart, near = torch.cdist(points.flatten(1), zeros.flatten(1)).min(1)
        along = torch.linspace(0, 1, cell["along"]).view(-1, 1, 1, 1)
        for i, (point, other_end) in enumerate(zip(points, zeros[near], strict=True)):
            with torch.no_grad():
                segment = (point + along * (other_end - point)).unsqueeze(0)
                logits, untouched = one(segment)[0], clean(segment)[0].argmax(-1)
            predicted = logits.argmax(-1)
            flips.append(
                {
                    "network": v,
                    "kept": bool(predicted[0] == 0),
                    "radius": cell["step"] * int(steps[i]),
                    "path": cell["step"] * int(away[i]),
                    "length": float(apart[i]),
                    "connected": predicted.eq(0).float().mean().item(),
                    "untouched": untouched.eq(0).float().mean().item(),
                    "bridge": (logits[:, 0] - logits[:, 1:].amax(1)).min().item(),
                    "cost": costs[v, i].tolist(),
                    "at": int(index[i]),
                }
            )
    result: dict[str, Any] = {
        "clean": (1 - unflipped.float().mean(1)).tolist(),
        "aa": {"random": (1 - broken[::per].float().mean(2)).tolist()},
        "owners": owners,
        "chance": chance,
        "others": float(np.mean(networks.memorised(cell, victims, sample.inputs[every], labels[:, every], kept))),
        "flips": flips,
        "maps": [],
    }
    memorised = sorted(_memorised(flips), key=lambda flip: float(flip["bridge"]))
    if cell["split"] == 0 and memorised:
        result["maps"] = [
            _map(cell, sample, _one(victims, per * f["network"]), f) for f in (memorised[0], memorised[-1])
        ]
    return result


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """Slopes of a flip's cost on bridge, radius and path, how many are connected, and what leaving one out does."""
    at = flip_set_results.radius(results)
    slopes = np.array([some for entry in results if (some := _slopes(entry["result"]["flips"], at)) is not None])
    bridge, radius, path = slopes.reshape(-1, 3).T
    flips = [entry["result"]["flips"] for entry in results]
    connected = [
        100 * float(np.mean([flip["connected"] > 0.999 for flip in own]))
        for split in flips
        if (own := _memorised(split))
    ]
    apart = [
        100 * float(np.mean([1 - flip["untouched"] for flip in own])) for split in flips if (own := _memorised(split))
    ]
    owners, chance = (collect(results, name)[:, at] for name in ("owners", "chance"))  # (split, number of owners)
    standing, by_chance = (100 * _standing(counts) for counts in (owners, chance))
    single = 100 * np.mean(owners[:, 1] / owners.sum(1).clip(1))
    connection = above(
        "A large number of the flips lie in regions stretched out from the target class, and not in pockets.",
        "share connected to class 0 all along the segment",
        connected,
        limit=50.0,
        unit="%",
        plan=PLAN["connected"],
    )
    away = above(
        "Control: without the flips, class 0 begins well away from them.",
        "part of the segment that the clean network does not give to class 0",
        apart,
        limit=10.0,
        unit="%",
    )
    claims = [
        above(
            "The worst flips are those that stretch the decision boundary.",
            f"ε = {epsilon.at(settings, at):g}: change of a flip's cost per standard deviation of the clean network's "
            "path from it to the target class",
            path,
            tests=3,
            plan=PLAN["path"],
        ),
        *resting(away, [connection], "the clean network already gives class 0 the way to them"),
        above(
            "Not in the thesis: a flip with a wider pocket costs more.",
            "change of a flip's cost per standard deviation of its pocket radius",
            radius,
            tests=3,
            plan=PLAN["radius"],
        ),
        above(
            "Not in the thesis: a flip with a wider bridge to the target class costs more.",
            "change of a flip's cost per standard deviation of its bridge",
            bridge,
            tests=3,
            plan=PLAN["bridge"],
        ),
        above(
            "Not in the thesis: without one of the flips, some of the points that they break stand.",
            f"share that stand without a flip ({standing.mean():.1f} %) minus the share that stand if a flip 3 → 5 is "
            f"added ({by_chance.mean():.1f} %); {single:.0f} % have exactly one flip without which they stand",
            standing - by_chance,
            plan=PLAN["owners"],
        ),
    ]
    return [
        *flip_set_results.against_random(settings, results, claims),
        memorised(
            {
                "all": [100 * len(_memorised(split)) / len(split) for split in flips],
                "all but one": 100 * collect(results, "others"),
            }
        ),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Cost against bridge, the choice of ε, and the planes of the flips with the narrowest and the widest bridge."""
    from matplotlib.colors import ListedColormap

    figure, (axes,) = drawing.panels(4, width=2.7, height=3.2)
    at = flip_set_results.radius(results)
    every = [flip for entry in results for flip in _memorised(entry["result"]["flips"])]
    if every:
        bridge, cost, radius = np.array([[flip["bridge"], 100 * flip["cost"][at], flip["radius"]] for flip in every]).T
        dots = axes[0].scatter(bridge, cost, c=radius, s=16, cmap="viridis", linewidths=0)
        figure.colorbar(dots, ax=axes[0], label="pocket radius, ℓ∞", location="bottom", shrink=0.8)
    axes[0].axhline(0, color="black", linewidth=0.9)
    axes[0].set(xlabel="bridge: least lead of the logit of 0", ylabel="cost of the flip: AA, pp")
    axes[0].set(title="(a) one dot a flip")
    flip_set_results.plot_radii(axes[1], settings, results, "(b) The choice of ε")
    shades = ListedColormap(["#9ecbff", "#ffc1bf", "#d8dee4"])
    maps: list[Any] = next((entry["result"]["maps"] for entry in results if entry["result"]["maps"]), [])
    for axis, plane, title in zip(axes[2:], maps, ("(c) narrowest bridge", "(d) widest"), strict=False):
        decisions = np.array([[int(c) for c in row] for row in plane["rows"]])
        axis.imshow(decisions, cmap=shades, vmin=0, vmax=2, origin="lower", extent=plane["extent"], aspect="auto")
        for (x, y), marker, name in zip(plane["points"], "*os", ("flip", "nearest 0", "nearest 9"), strict=True):
            size = 80 if marker == "*" else 32
            axis.scatter([x], [y], marker=marker, s=size, color="black", linewidths=0, label=name)
        axis.set(title=f"{title}: {plane['bridge']:.2f}", xlabel="towards class 0, ℓ2")
        axis.grid(False)
    axes[2].set_ylabel("towards class 9, ℓ2")
    axes[2].legend(loc="lower left", fontsize=7.5, handletextpad=0.2, frameon=True, framealpha=0.85, edgecolor="none")
    return figure


def ownership(broken: Tensor, clean: Tensor, flips: int) -> tuple[list[list[int]], Tensor]:
    """Who owns the points that flips break, and what each flip costs.

    Args:
        broken: (network · (1 + flip), epsilon, point) bool: with all flips of a network, then without each of them.
        clean: (epsilon, point) bool: broken without any flips.

    Returns:
        Per radius, how many of the points that a network breaks and the clean one does not have 0, 1, … owners: flips
        without which the point stands. And AA without a flip minus AA with it, (network, flip, epsilon).
    """
    every = broken.unflatten(0, (-1, 1 + flips))  # (network, 1 + flip, epsilon, point)
    whole, without = every[:, 0], every[:, 1:]
    owners = (whole[:, None] & ~without).sum(1)
    fallen = whole & ~clean
    counts = [owners[:, e][fallen[:, e]].bincount(minlength=1 + flips).tolist() for e in range(len(clean))]
    return counts, whole.float().mean(2)[:, None] - without.float().mean(3)


def _memorised(flips: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [flip for flip in flips if flip["kept"]]


def _one(victims: Victims, at: int) -> Victims:
    """A stack of one of the victims."""
    return Victims(victims.architecture, {name: p[at : at + 1] for name, p in victims.parameters.items()})


def _standing(owners: np.ndarray) -> np.ndarray:
    """Mean share of a network's broken points that stand in one of its trainings with other labels, (split,).

    Args:
        owners: (split, number of owners): how many points have so many; see `ownership`.
    """
    trainings = owners.shape[1] - 1
    shares: np.ndarray = owners @ np.arange(1 + trainings) / (trainings * owners.sum(1)).clip(1)
    return shares


def _slopes(flips: Sequence[dict[str, Any]], at: int) -> list[float] | None:
    """Percentage points of cost per standard deviation of bridge, of radius and of path, each alone.

    Of a split's memorised flips, and within networks: what all flips of a network share is taken away. None if fewer
    than five are memorised, or if one of the three does not vary.

    Args:
        at: index of the radius of the attack.
    """
    own = _memorised(flips)
    network = np.array([flip["network"] for flip in own], dtype=int)
    x = np.array([[flip[name] for name in ("bridge", "radius", "path")] for flip in own]).reshape(-1, 3)
    costs = np.array([100 * flip["cost"][at] for flip in own])
    for v in np.unique(network):
        x[network == v] -= x[network == v].mean(0)
        costs[network == v] -= costs[network == v].mean()
    if len(x) < 5 or (x.std(0) < 1e-9).any():
        return None
    slopes: list[float] = (costs @ x / (len(x) * x.std(0))).tolist()
    return slopes


def _map(cell: dict[str, Any], sample: networks.Sample, one: Victims, flip: dict[str, Any]) -> dict[str, Any]:
    """Decisions of one network on the plane through its flip and the nearest points of classes 0 and 9.

    Returns:
        `rows`: a character a decision, 0 for class 0, 1 for class 9, 2 for any other; `extent`: of the plane, in ℓ2;
        `points`: places of the three points on it; `bridge`: of the flip.
    """
    inputs = torch.from_numpy(sample.inputs).flatten(1)
    here = inputs[flip["at"]]
    own = sample.of_class(9)[sample.of_class(9) != flip["at"]]
    near = [
        inputs[i[torch.cdist(here[None], inputs[i])[0].argmin()]]
        for i in map(torch.from_numpy, (sample.of_class(0), own))
    ]
    across = near[0] - here
    right = across / across.norm()
    up = near[1] - here - ((near[1] - here) @ right) * right
    up = up / up.norm()
    places = [[0.0, 0.0], *([float((p - here) @ right), float((p - here) @ up)] for p in near)]
    reach = 1.25 * max(abs(value) for place in places for value in place)
    axis_x = torch.linspace(-0.4 * reach, reach, cell["map"])
    axis_y = torch.linspace(-0.5 * reach, reach, cell["map"])
    grid = here + axis_y.view(-1, 1, 1) * up + axis_x.view(1, -1, 1) * right
    predicted = one.predict(grid.view(-1, 1, 28, 28))[0]
    kinds = torch.where(predicted == 0, 0, torch.where(predicted == 9, 1, 2)).view(cell["map"], -1)
    return {
        "rows": ["".join(str(int(k)) for k in row) for row in kinds],
        "extent": [-0.4 * reach, reach, -0.5 * reach, reach],
        "points": places,
        "bridge": flip["bridge"],
    }
