"""The radii of a track whose splits take pairs in turn: where random flips leave an AA of one half, pair by pair.

    python tests/bench/pair_radii.py --track digits-pairs --rounds 4

Each architecture's ε is that of the mean over pairs; a pair's factor is the geometric mean over architectures of its
own over that one. Trains on splits of a salt of its own, `rounds` a pair, with random flips alone, so that no
poisoner's labels move a radius. Prints both as the track's file has them, and how well every pair memorises.
"""

from __future__ import annotations

import argparse
import copy
from typing import Any

import numpy as np

from lnbench import data
from lnbench.evaluation.engine import engine
from lnbench.protocol import Streams, Track, random_draw
from lnbench.protocol.track import load

GRID = [round(float(radius), 3) for radius in np.geomspace(0.03, 0.27, 12)]
SALT = "pair-radii"
STACK = 30


def main() -> None:
    """Parse, train, attack, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--track", default="digits-pairs")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    track = wide(load(options.track))
    pairs, streams = len(track.noise.pairs), Streams(track.sha256, SALT)
    cells: list[dict[str, Any]] = []
    for victim in track.victims:
        for start in range(0, options.rounds * pairs, STACK):
            places = [[split, 0] for split in range(start, min(start + STACK, options.rounds * pairs))]
            flips = [
                random_draw(data.load(track, split, streams).labels, track, streams, split, seed)
                for split, seed in places
            ]
            common = {"track": track.document, "salt": SALT, "device": "cpu", "victim": victim.name}
            cells.append({**common, "places": places, "flips": flips})
    found: dict[str, list[dict[str, Any]]] = {victim.name: [] for victim in track.victims}
    for at, _, result in engine("local", options.workers).map("lnbench.evaluation.cells:run", cells):
        if result is not None:
            found[cells[at]["victim"]] += result["victims"]
            print(f"{sum(map(len, found.values()))} of {len(track.victims) * options.rounds * pairs}", flush=True)
    own = []
    for name, victims in found.items():
        victims.sort(key=lambda victim: int(victim["split"]))
        curves = np.array([1 - np.array(v["broken"]["targeted"]) / v["clean"]["source_points"] for v in victims])
        learned = np.array([v["memorised_count"] / v["flipped"] for v in victims])
        of_pair = [learned[pair::pairs].mean() for pair in range(pairs)]
        middle = half(curves.mean(0))
        own.append([half(curves[pair::pairs].mean(0)) / middle for pair in range(pairs)])
        print(f"{name}: ε = {middle:.4f}; memorised {learned.mean():.4f}, the worst pair {min(of_pair):.3f}")
    print("pair_factors =", np.exp(np.log(own).mean(0)).round(2).tolist())


def wide(track: Track) -> Track:
    """The track with a factor of 1 for every pair, and one wide ε curve for every architecture."""
    document = copy.deepcopy(dict(track.document))
    document["adversary"].pop("pair_factors", None)
    document["adversary"] |= {"epsilons": GRID, "epsilon": GRID[5]}
    for victim in document["victims"]:
        victim.pop("epsilon", None)
        victim.pop("epsilons", None)
    return Track.from_document(document)


def half(curve: np.ndarray) -> float:
    """The radius at which an AA curve over the grid falls to one half, by its logarithm; an end of the grid if none."""
    falling = np.minimum.accumulate(curve)[::-1]
    return float(np.exp(np.interp(0.5, falling, np.log(GRID)[::-1])))


if __name__ == "__main__":
    main()
