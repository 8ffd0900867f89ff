"""Which measures of a set of flips tell how harmful it is? Over all sets that the committed rows of a track have tried.

    python tests/bench/set_measures.py --track digits-9to0

Rows of the public splits: poisoned and random sets, each with the victims' adversarial accuracy. Prints each measure's
correlation, within split, with how far it fell, by architecture. Trains nothing.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np

from lnbench import data, graphs
from lnbench.board.tables import load
from lnbench.protocol import Streams
from lnbench.protocol import track as tracks
from lnbench.record.record import read

RECORDS = Path(__file__).resolve().parents[2] / "leaderboard" / "records"
WIDTHS = (0.25, 0.5, 1.0, 2.0)


def main() -> None:
    """Parse, read, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--track", default="digits-9to0")
    track = tracks.load(parser.parse_args().track)
    harms = _harms(track.name)
    streams = Streams(track.root)
    splits = {split: data.load(track, split, streams) for split, _ in harms}
    values, names = defaultdict[str, list[np.ndarray]](list), list[str]()
    for split, points in sorted(splits.items()):
        ((source, _),) = track.pairs(split)
        sets = [(flips, found) for (at, flips), found in harms.items() if at == split]
        names, measured = _measures(points, source, [flips for flips, _ in sets])
        for architecture in sets[0][1]:
            drop = -np.array([np.mean(found[architecture]) for _, found in sets])
            values[architecture].append(np.column_stack([drop, measured]) - np.r_[drop.mean(), measured.mean(0)])
    print(f"{len(harms)} sets of flips on {len(splits)} splits; correlation with harm, within split")
    print(f"{'':12}" + "".join(f"{name:>14}" for name in names))
    for architecture, parts in values.items():
        rho = np.corrcoef(np.concatenate(parts).T)[0, 1:]
        print(f"{architecture:12}" + "".join(f"{value:14.2f}" for value in rho))


def _harms(track: str) -> dict[tuple[int, tuple[int, ...]], dict[str, list[float]]]:
    """(split, flips) -> architecture -> adversarial accuracies of its victims."""
    (table,) = [table for table in load(RECORDS).tables if table.track.name == track and table.season is None]
    found: dict[tuple[int, tuple[int, ...]], dict[str, list[float]]] = {}
    seen = set[tuple[str, int, int, int]]()
    for row in table.rows:
        record = read(RECORDS / row.path)
        document, names = record.document, [victim.name for victim in record.track.victims]
        for victim in document["victims"]:
            split, seed, draw = victim["split"], victim["seed"], victim.get("draw", 0)
            if victim["arm"] == "poisoned":
                flips = document["flips"]["poisoned"][split]
            elif victim["arm"] == "random" and (key := (victim["architecture"], split, seed, draw)) not in seen:
                seen.add(key)  # the random arm is the same in every row
                flips = document["flips"]["random"][split][seed]
                flips = flips[draw] if isinstance(flips[0][0], list) else flips
            else:
                continue
            radii = victim["broken"]["targeted"]
            kept = 1 - radii[len(radii) // 2] / victim["clean"]["source_points"]
            place = found.setdefault((split, tuple(index for index, *_ in flips)), {name: [] for name in names})
            place[victim["architecture"]].append(kept)
    return {key: each for key, each in found.items() if key[1] and all(each.values())}


def _measures(points: data.Split, source: int, sets: list[tuple[int, ...]]) -> tuple[list[str], np.ndarray]:
    """Names, and values of each set, (set, measure); larger is said to be worse for the victims."""
    eligible = np.flatnonzero(points.labels == source)
    place = {int(index): n for n, index in enumerate(eligible)}
    own, rest = points.inputs[eligible], points.inputs[points.labels != source]
    apart, kernels = graphs.distances(own), [graphs.contrast(own, rest, width) for width in WIDTHS]
    rows = []
    for flips in sets:
        some = np.array([place[index] for index in flips])
        near = apart[some].min(0)
        row = [-near.mean(), -near.max(), apart[np.ix_(some, some)][np.triu_indices(len(some), 1)].min()]
        row += [-graphs.mismatch(kernel, some, kernel.mean(1) - alien) for kernel, alien in kernels]
        rows.append([*row, *(alien[some].mean() for _, alien in kernels)])
    means, others = [f"mean, {w:g}" for w in WIDTHS], [f"others, {w:g}" for w in WIDTHS]
    return ["medoids", "centres", "apart", *means, *others], np.array(rows)


if __name__ == "__main__":
    main()
