"""Do memorised flips sit in pockets, or do they stretch the decision boundary, and which hurts more? (§4.9–4.10)"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from lnbench.adversary import path_lengths
from lnbench.thesis import pictures
from lnbench.thesis.experiment import Results, Settings
from lnbench.thesis.verdicts import AGREES, DISAGREES, UNDECIDED, Verdict, above, interval
from lnbench.victims import Victims

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = "MNIST, 9 → 0: pocket radius and connectivity of memorised flips against the drop of adversarial accuracy"
THESIS = "§4.10, figure 12"
QUICK = {
    **pictures.SIZES,
    "networks": 16,
    "flips": 2,
    "epsilon": 0.05,
    "pgd_steps": 20,
    "step": 0.002,
    "most": 500,
    "along": 101,
    "map": 48,
}
FULL = {**QUICK, "train": 60000, "test": 1000, "splits": 8, "networks": 32, "flips": 30, "steps": 14000, "epsilon": 0.1}
CHOICES = (
    *pictures.CHOICES,
    pictures.ATTACK,
    "{networks} networks a split with {flips} random flips 9 → 0 each, and a clean one. Only memorised flips count.",
    "Pocket radius: the adversarial path from the flip back to its true class, in ℓ∞, in steps of {step}, at most "
    "{most}.",
    "Connectivity: the share of {along} points on the segment from the flip to the nearest (ℓ2) training point "
    "of class 0 that "
    "the network classifies as 0. Bridge: on the same points, the least lead of the probability of class 0 over the "
    "next.",
    "Each network's drop of AA below the clean one is regressed, within a split, on its flips' mean radius and mean "
    "connectivity (or bridge), both standardised; the interval is over the splits' slopes.",
)


def cells(settings: Settings) -> list[dict[str, Any]]:
    """One per split."""
    return pictures.cells(settings)


def cell(cell: dict[str, Any], report: Callable[[float], None]) -> dict[str, Any]:
    """Train the networks of a split; measure every memorised flip's pocket and connection, and every network's AA."""
    data = pictures.load(cell)
    sets = [data.rng.choice(data.of(9), cell["flips"], replace=False) for _ in range(cell["networks"])]
    labels = np.stack([data.labels, *(data.flipped(index, 0) for index in sets)])
    victims = pictures.trained(cell, data, labels, report)
    aa = pictures.adversarial_accuracy(cell, victims, data.test_of(9), 0)
    inputs = torch.from_numpy(data.inputs)
    zeros = inputs[data.of(0)]
    flips = []
    for v, index in enumerate(sets, 1):
        one = Victims(victims.architecture, {name: p[v : v + 1] for name, p in victims.parameters.items()})
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
    result = {"clean": aa[0], "aa": aa[1:], "flips": flips, "maps": []}
    kept_flips = sorted((f for f in flips if f["kept"]), key=lambda f: float(f["bridge"]))
    if cell["split"] == 0 and kept_flips:
        result["maps"] = [_map(cell, data, victims, flip) for flip in (kept_flips[0], kept_flips[-1])]
    return result


def verdicts(settings: Settings, found: Results) -> list[Verdict]:
    """Slopes of the drop on both quantities, and how many flips are pockets at all."""
    slopes = [_slopes(f["result"], "connected") for f in found]
    radius, connectivity = ([value for some in slopes if (value := some[i]) is not None] for i in (0, 1))
    bridge = [slope for f in found if (slope := _slopes(f["result"], "bridge")[1]) is not None]
    kept = [[flip for flip in f["result"]["flips"] if flip["kept"]] for f in found]
    whole = interval([100 * float(np.mean([flip["connected"] > 0.999 for flip in flips])) for flips in kept if flips])
    share = [100 * len(k) / len(f["result"]["flips"]) for k, f in zip(kept, found, strict=True)]
    return [
        above(
            "The worst poisons are the ones stretching the decision boundary.",
            "change of the drop per standard deviation of connectivity, pocket radius held (splits in which it varies)",
            connectivity,
        ),
        above(
            "Not in the thesis: the same by the bridge's width, for the connectivity of nearly all is 100 %.",
            "change of the drop per standard deviation of the bridge, pocket radius held",
            bridge,
        ),
        above(
            "Not in the thesis: a wider region of the wrong label hurts more.",
            "change of the drop per standard deviation of pocket radius, connectivity held",
            radius,
        ),
        Verdict(
            "Memorised flips sit in closed pockets rather than on a stretched boundary.",
            DISAGREES if whole[1] > 50 else AGREES if whole[2] < 50 else UNDECIDED,
            f"{whole[0]:.0f} % [{whole[1]:.0f}, {whole[2]:.0f}] of the memorised flips are connected to class 0 all "
            f"along the segment; {np.mean(share):.0f} % of the flips are memorised",
            *whole,
            len(found),
        ),
    ]


def draw(settings: Settings, found: Results) -> Figure:
    """Drop against radius and bridge, and the planes of the flips with the narrowest and the widest bridge."""
    from matplotlib.colors import ListedColormap

    from lnbench.thesis import drawing

    figure, (axes,) = drawing.panels(3, width=3.1, height=3.2)
    image = None
    for f in found:
        x = [_means(f["result"], v, "bridge") for v in range(len(f["result"]["aa"]))]
        drops = 100 * (f["result"]["clean"] - np.array(f["result"]["aa"]))
        some = [(m[1], drop, m[0]) for m, drop in zip(x, drops, strict=True) if m is not None]
        if some:
            a, b, c = (np.array(values) for values in zip(*some, strict=True))
            image = axes[0].scatter(c, b, c=a, s=18, cmap="viridis", vmin=-1, vmax=1, linewidths=0)
    if image is not None:
        figure.colorbar(image, ax=axes[0], label="bridge: least lead of p(0)", location="bottom", shrink=0.8)
    axes[0].set(xlabel="pocket radius, ℓ∞", ylabel="drop of AA below clean, pp", title="(a) one dot a network")
    shades = ListedColormap(["#9ecbff", "#ffc1bf", "#d8dee4"])
    maps: list[Any] = next((f["result"]["maps"] for f in found if f["result"]["maps"]), [])
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


def _means(result: Any, network: int, second: str) -> tuple[float, float] | None:
    """Mean pocket radius (ℓ∞) and mean `connected` or `bridge` of a network's memorised flips; None without any."""
    own = [flip for flip in result["flips"] if flip["network"] == network and flip["kept"]]
    if not own:
        return None
    return float(np.mean([flip["radius"] for flip in own])), float(np.mean([flip[second] for flip in own]))


def _slopes(result: Any, second: str) -> list[float | None]:
    """Percentage points of drop per standard deviation of radius and of a second quantity among a split's networks.

    None for a quantity that does not vary, and for both where fewer than five networks memorised anything.
    """
    rows = [(means, aa) for v, aa in enumerate(result["aa"]) if (means := _means(result, v, second)) is not None]
    if len(rows) < 5:
        return [None, None]
    x = np.array([means for means, _ in rows])
    varies = x.std(0) > 1e-9
    drop = 100 * (result["clean"] - np.array([aa for _, aa in rows]))
    scaled = (x - x.mean(0)) / np.where(varies, x.std(0), 1.0)
    slopes = np.linalg.lstsq(scaled, drop - drop.mean(), rcond=None)[0]
    return [float(slope) if there else None for slope, there in zip(slopes, varies, strict=True)]


def _map(cell: dict[str, Any], data: pictures.Pictures, victims: Victims, flip: dict[str, Any]) -> dict[str, Any]:
    """Decisions (0: class 0, 1: class 9, 2: other) on the plane of a flip and the nearest points of both classes."""
    inputs = torch.from_numpy(data.inputs).flatten(1)
    here = inputs[flip["at"]]
    own = data.of(9)[data.of(9) != flip["at"]]
    near = [inputs[i[torch.cdist(here[None], inputs[i])[0].argmin()]] for i in map(torch.from_numpy, (data.of(0), own))]
    across = near[0] - here
    right = across / across.norm()
    up = near[1] - here - ((near[1] - here) @ right) * right
    up = up / up.norm()
    places = [[0.0, 0.0], *([float((p - here) @ right), float((p - here) @ up)] for p in near)]
    reach = 1.25 * max(abs(value) for place in places for value in place)
    axis_x = torch.linspace(-0.4 * reach, reach, cell["map"])
    axis_y = torch.linspace(-0.5 * reach, reach, cell["map"])
    grid = here + axis_y.view(-1, 1, 1) * up + axis_x.view(1, -1, 1) * right
    one = Victims(victims.architecture, {n: p[flip["network"] + 1 :][:1] for n, p in victims.parameters.items()})
    predicted = one.predict(grid.view(-1, 1, 28, 28))[0]
    kinds = torch.where(predicted == 0, 0, torch.where(predicted == 9, 1, 2)).view(cell["map"], -1)
    return {
        "rows": ["".join(str(int(k)) for k in row) for row in kinds],
        "extent": [-0.4 * reach, reach, -0.5 * reach, reach],
        "points": places,
        "bridge": flip["bridge"],
    }
