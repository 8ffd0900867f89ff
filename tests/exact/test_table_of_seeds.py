"""A table of one seed a split, found by running the referee: what it gains on its splits and on others.

The victim is a nearest neighbour, whose adversarial accuracy after any flips follows from the committed bits.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np

import toy
from lnbench import data
from lnbench.protocol import PUBLIC_SALT, Streams
from lnbench.protocol.track import load
from lnbench.record import optimum
from lnbench.record.score import t_interval

CHEAT = Path(__file__).resolve().parents[1] / "cheats" / "table_of_seeds.py"
TRIED = 48


def test_a_table_scores_on_public_splits_and_nothing_where_it_was_not_made() -> None:
    track, cheat = load("digits-exact"), toy.loaded(CHEAT)
    best = optimum.of_track(track)
    assert best is not None
    streams = Streams(track.sha256, PUBLIC_SALT)
    labels = [data.load(track, split, streams).labels for split in range(track.replication.splits)]

    def accuracies(seeds: list[int]) -> np.ndarray:
        """AA of every split after the flips that the cheat makes with these seeds, a split's in its place."""
        vars(cheat)["SEEDS"] = seeds
        flips = []
        for split, truth in enumerate(labels):
            problem = SimpleNamespace(
                split=split, eligible=np.flatnonzero(truth == 9), budget=track.noise.budget, flipped=lambda i: i
            )
            chosen = np.sort(cheat.Cheat().poison(problem))
            flips.append([[int(i), 9, 0] for i in chosen])
        return best.accuracies(flips)

    splits = len(labels)
    tried = np.stack([accuracies([seed] * splits) for seed in range(TRIED)])
    table = tried.argmin(axis=0).tolist()
    random = best.random[:, track.noise.budget]
    known = t_interval(100 * (random - accuracies(table)))
    assert known.low is not None and known.low > 8, "by the public splits it beats most attacks"
    others = [t_interval(100 * (random - accuracies(table[k:] + table[:k]))) for k in range(1, splits)]
    assert abs(np.mean([other.mean for other in others])) < 0.5, "on splits that it was not made for it is random"
    called = np.mean([other.low is not None and other.low > 0 for other in others])
    assert called <= 0.1, "random flips are called better one time in forty; these 47 tables share their splits"
