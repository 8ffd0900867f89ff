"""Do memorised flips sit in pockets or stretch the decision boundary, and which is worse? (thesis §4.9–4.10)"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lnbench.adversary import path_lengths
from lnbench.thesis import drawing, flip_sets, images, networks
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import Verdict, above, interval, stays_below
from lnbench.victims import Victims

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, 9 → 0: pocket radius and connectivity of memorised flips, and the drop of adversarial accuracy"
THESIS = "§4.10, figure 12"
QUICK = {
    **images.QUICK,
    "networks": 16,
    "flips": 2,
    "epsilon": 0.05,
    "pgd_steps": 20,
    "step": 0.002,
    "most": 500,
    "along": 101,
    "map": 48,
}
FULL = {**QUICK, **images.FULL, "test": 1000, "networks": 32, "flips": 30, "epsilon": 0.1}
CHOICES = (
    *images.CHOICES,
    images.TARGETED,
    "{networks} networks a split with {flips} random flips 9 → 0 each, and a clean one. Only memorised flips count.",
    "The pocket radius is the length of the adversarial path from the flip back to its true class, in ℓ∞, with steps "
    "of {step} and at most {most} of them.",
    "Connectivity is the share of {along} points on the segment from the flip to the nearest (ℓ2) training point of "
    "class 0 that the network classifies as 0. The bridge is the least lead, on the same points, of the probability "
    "of class 0 over the next.",
    "Within a split the drop of AA below the clean network is regressed on the mean radius and the mean connectivity "
    "(or bridge) of a network's flips, both standardised. The interval is over the slopes of the splits.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return images.cells(settings)


def measure(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Pocket and connection of every flip in its network, and the adversarial accuracy of every network."""
    sample = images.load_mnist(cell)
    sets = flip_sets.random_sets([sample.of_class(9)], cell["flips"], cell["networks"], sample.rng)
    labels = np.stack([sample.labels, *(sample.flipped(index, 0) for index in sets)])
    victims = networks.train(cell, sample, labels, report)
    clean, *aa = networks.adversarial_accuracy(cell, victims, sample.tests_of_class(9), 0)
    inputs = torch.from_numpy(sample.inputs)
    zeros = inputs[sample.of_class(0)]
    flips = []
    for v, index in enumerate(sets, 1):
        one = _one(victims, v)
        points = inputs[index]
        steps = path_lengths(one, points, torch.full((len(index),), 9), step=cell["step"], max_steps=cell["most"])[0]
        near = zeros[torch.cdist(points.flatten(1), zeros.flatten(1)).argmin(1)]
        along = torch.linspace(0, 1, cell["along"]).view(-1, 1, 1, 1)
        for i, (point, other) in enumerate(zip(points, near, strict=True)):
            with torch.no_grad():
                shares = one((point + along * (other - point)).unsqueeze(0))[0].softmax(-1)
            predicted = shares.argmax(-1)
            flips.append(
                {
                    "network": v - 1,
                    "kept": bool(predicted[0] == 0),
                    "radius": cell["step"] * int(steps[i]),
                    "connected": predicted.eq(0).float().mean().item(),
                    "bridge": (shares[:, 0] - shares[:, 1:].amax(1)).min().item(),
                    "at": int(index[i]),
                }
            )
    result = {"clean": clean, "aa": aa, "flips": flips, "maps": []}
    memorised = sorted(_memorised(flips), key=lambda flip: float(flip["bridge"]))
    if cell["split"] == 0 and memorised:
        result["maps"] = [_map(cell, sample, victims, flip) for flip in (memorised[0], memorised[-1])]
    return result


def verdicts(settings: Settings, results: Results) -> list[Verdict]:
    """Slopes of the drop on radius, connectivity and bridge, and how many flips are in closed pockets."""
    slopes = [_slopes(entry["result"], "connected") for entry in results]
    radius, connectivity = ([slope for both in slopes if (slope := both[i]) is not None] for i in (0, 1))
    bridge = [slope for entry in results if (slope := _slopes(entry["result"], "bridge")[1]) is not None]
    flips = [entry["result"]["flips"] for entry in results]
    memorised = [_memorised(split) for split in flips]
    whole = interval([100 * np.mean([flip["connected"] > 0.999 for flip in split]) for split in memorised if split])
    share = np.mean([100 * len(some) / len(split) for some, split in zip(memorised, flips, strict=True)])
    return [
        above(
            "The worst flips are those that stretch the decision boundary.",
            "change of the drop per standard deviation of connectivity, pocket radius held (splits in which it varies)",
            connectivity,
        ),
        above(
            "Not in the thesis: the same by the width of the bridge, because the connectivity of nearly all is 100 %.",
            "change of the drop per standard deviation of the bridge, pocket radius held",
            bridge,
        ),
        above(
            "Not in the thesis: a wider region of the wrong label is worse.",
            "change of the drop per standard deviation of pocket radius, connectivity held",
            radius,
        ),
        Verdict(
            "Memorised flips sit in closed pockets rather than on a stretched boundary.",
            stays_below(*whole[1:], 50),
            f"{whole[0]:.0f} % [{whole[1]:.0f}, {whole[2]:.0f}] of the memorised flips are connected to class 0 all "
            f"along the segment; {share:.0f} % of the flips are memorised",
            *whole,
            len(results),
        ),
    ]


def draw(settings: Settings, results: Results) -> Figure:
    """Drop against radius and bridge, and the planes of the flips with the narrowest and with the widest bridge."""
    from matplotlib.colors import ListedColormap

    figure, (axes,) = drawing.panels(3, width=3.1, height=3.2)
    image = None
    for entry in results:
        means, drops = _by_network(entry["result"], "bridge")
        if len(means):
            radius, bridge = means.T
            image = axes[0].scatter(radius, drops, c=bridge, s=18, cmap="viridis", vmin=-1, vmax=1, linewidths=0)
    if image is not None:
        figure.colorbar(image, ax=axes[0], label="bridge: least lead of p(0)", location="bottom", shrink=0.8)
    axes[0].set(xlabel="pocket radius, ℓ∞", ylabel="drop of AA below clean, pp", title="(a) one dot a network")
    shades = ListedColormap(["#9ecbff", "#ffc1bf", "#d8dee4"])
    maps: list[Any] = next((entry["result"]["maps"] for entry in results if entry["result"]["maps"]), [])
    for axis, plane, title in zip(axes[1:], maps, ("(b) narrowest bridge", "(c) widest"), strict=False):
        decisions = np.array([[int(c) for c in row] for row in plane["rows"]])
        axis.imshow(decisions, cmap=shades, vmin=0, vmax=2, origin="lower", extent=plane["extent"], aspect="auto")
        for (x, y), marker, name in zip(plane["points"], "*os", ("flip", "nearest 0", "nearest 9"), strict=True):
            size = 80 if marker == "*" else 32
            axis.scatter([x], [y], marker=marker, s=size, color="black", linewidths=0, label=name)
        axis.set(title=f"{title}: {plane['bridge']:.2f}", xlabel="towards class 0, ℓ2")
        axis.grid(False)
    axes[1].set_ylabel("towards class 9, ℓ2")
    axes[1].legend(loc="lower left", fontsize=7.5, handletextpad=0.2, frameon=True, framealpha=0.85, edgecolor="none")
    return figure


def _memorised(flips: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [flip for flip in flips if flip["kept"]]


def _one(victims: Victims, at: int) -> Victims:
    """A stack of one of the victims."""
    return Victims(victims.architecture, {name: p[at : at + 1] for name, p in victims.parameters.items()})


def _by_network(result: Any, second: str) -> tuple[np.ndarray, np.ndarray]:
    """Of every network of a split that memorised flips: their means, and its drop of adversarial accuracy.

    Args:
        second: `connected` or `bridge`.

    Returns:
        (network, 2): mean pocket radius in ℓ∞ and mean of the second quantity; and (network,), in percentage points.
    """
    means, drops = [], []
    for network, aa in enumerate(result["aa"]):
        own = [flip for flip in _memorised(result["flips"]) if flip["network"] == network]
        if own:
            means.append([np.mean([flip[quantity] for flip in own]) for quantity in ("radius", second)])
            drops.append(100 * (result["clean"] - aa))
    return np.array(means), np.array(drops)


def _slopes(result: Any, second: str) -> list[float | None]:
    """Percentage points of drop per standard deviation of radius and of a second quantity among a split's networks.

    None for a quantity that does not vary, and for both if fewer than five networks memorised any flips.
    """
    x, drops = _by_network(result, second)
    if len(x) < 5:
        return [None, None]
    varies = x.std(0) > 1e-9
    scaled = (x - x.mean(0)) / np.where(varies, x.std(0), 1.0)
    slopes = np.linalg.lstsq(scaled, drops - drops.mean(), rcond=None)[0]
    return [float(slope) if there else None for slope, there in zip(slopes, varies, strict=True)]


def _map(cell: dict[str, Any], sample: networks.Sample, victims: Victims, flip: dict[str, Any]) -> dict[str, Any]:
    """Decisions of a network on the plane through its flip and the nearest points of classes 0 and 9.

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
    one = _one(victims, flip["network"] + 1)
    predicted = one.predict(grid.view(-1, 1, 28, 28))[0]
    kinds = torch.where(predicted == 0, 0, torch.where(predicted == 9, 1, 2)).view(cell["map"], -1)
    return {
        "rows": ["".join(str(int(k)) for k in row) for row in kinds],
        "extent": [-0.4 * reach, reach, -0.5 * reach, reach],
        "points": places,
        "bridge": flip["bridge"],
    }
