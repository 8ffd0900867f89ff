"""The best flips of every split of a track on a nearest neighbour, solved for: see `lnbench.record.optimum`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lnbench import data
from lnbench.errors import UnavailableError
from lnbench.evaluation.engine import Engine
from lnbench.evaluation.exact_cells import coverages
from lnbench.evaluation.exact_stage import tables
from lnbench.evaluation.progress import OnProgress
from lnbench.evaluation.store import Store
from lnbench.exact.best import greedy, optimum
from lnbench.exact.coverage import Coverage
from lnbench.files import write_atomically
from lnbench.protocol import Streams, Track, canonical_json, eligible, pack, sha256_json
from lnbench.protocol.exactness import CLOSED_FORM
from lnbench.record.exchange import exchange_rate

_MOST = 8
"""Largest budget of which it is said how many random flips it is worth."""


def best_flips(track: Track, engine: Engine, store: Store, notify: OnProgress) -> dict[str, Any]:
    """The document of `lnbench.record.optimum.Optimum`, of the track's splits under the public salt.

    On a track of networks the adversary is the exact one in the track's norm at the track's radius.

    Raises:
        ProtocolError: if a split of the track has several pairs.
        UnavailableError: if a solver fails.
    """
    streams, number = Streams(track.root), track.replication.splits
    levels, scored = [track.adversary.epsilon], 0
    for spec in track.victims:
        if spec.architecture == CLOSED_FORM:  # its rows have made these tables
            levels, scored = list(track.epsilons(spec)), track.scored_index(spec.name)
    made, splits = tables(track, streams, number, levels, engine, store, notify), []
    for split, table in enumerate(made):
        cover, k = coverages(table)[scored], track.noise.budget
        reach = cover.reach & ~cover.base[:, None]
        best, near = optimum(cover, k), greedy(reach, k)
        labels = data.load(track, split, streams).labels
        splits.append(
            {
                "points": len(cover.base),
                "indices": eligible(labels, track.pairs(split)).tolist(),
                "base": pack(cover.base),
                "reach": pack(reach.ravel()),
                "best": best.tolist(),
                "greedy": near.tolist(),
                "best_accuracy": round(cover.accuracy(best), 9),
                "greedy_accuracy": round(cover.accuracy(near), 9),
                "random_accuracy": round(cover.random(k), 9),
                "clean_accuracy": round(1.0 - float(cover.base.mean()), 9),
            }
        )
    document: dict[str, Any] = {
        "track": track.name,
        "track_sha256": track.sha256,
        "epsilon": levels[scored],
        "budget": track.noise.budget,
        "splits": splits,
        "worth": _worth([coverages(table)[scored] for table in made]),
    }
    return {**document, "sha256": sha256_json(document)}


def _worth(covers: Sequence[Coverage]) -> list[dict[str, Any]]:
    """How many random flips the best 1, 2, … `_MOST` are worth."""
    m = min(cover.reach.shape[1] for cover in covers)
    random = np.stack([cover.random_curve()[: m + 1] for cover in covers])
    found = []
    for budget in range(1, min(_MOST, m) + 1):
        best = np.array([cover.accuracy(optimum(cover, budget)) for cover in covers])
        rate = exchange_rate(range(m + 1), random, best)
        found.append({"budget": budget, **{k: round(getattr(rate, k), 4) for k in ("flips", "low", "high")}})
    return found


def write(document: dict[str, Any], path: Path) -> None:
    """Write it, whole or not at all.

    Raises:
        UnavailableError: if the place cannot be written.
    """
    try:
        write_atomically(path, canonical_json(document))
    except OSError as error:
        raise UnavailableError(f"the optimum cannot be written to {path}: {error.strerror}.") from None
