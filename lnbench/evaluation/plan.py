"""What an evaluation computes: the flips of every arm, the cells that train and attack their victims, their names.

The matched arm belongs to tracks with several pairs: random flips spread over the pairs as the poisoner spread its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from lnbench import data
from lnbench.evaluation.code_hash import code_sha256
from lnbench.protocol import (
    CLEAN,
    MATCHED,
    RANDOM,
    Flip,
    Streams,
    Track,
    VictimSpec,
    applied,
    arms_of,
    draws_of,
    matched_flips,
    random_draw,
    sha256,
)
from lnbench.protocol.exactness import CLOSED_FORM, is_exact

_STACK_ON_GPU = 64
"""Victims a cell holds on a GPU, where a track's own number, meant for a CPU's caches, is smaller."""


def flips_of_arms(
    track: Track, labels: Sequence[np.ndarray], poisoned: Sequence[list[Flip]], streams: Streams, seeds: int
) -> dict[str, list[Any]]:
    """The flips of every arm that has any: `poisoned` per split, `random` and `matched` per split and seed.

    Where a seed has several draws of random flips, `random` has all of its first seed's, then the next one's.

    Args:
        labels: the true labels of each split, (n,) int64.
        poisoned: the poisoner's flips of each split.
    """
    flips: dict[str, list[Any]] = {
        "poisoned": list(poisoned),
        "random": [random_arm(track, clean, streams, split, seeds) for split, clean in enumerate(labels)],
    }
    if MATCHED in arms_of(track):
        flips[MATCHED] = [
            matched_arm(clean, poisoned[split], streams, split, seeds) for split, clean in enumerate(labels)
        ]
    return flips


def random_arm(track: Track, labels: np.ndarray, streams: Streams, split: int, seeds: int) -> list[list[Flip]]:
    """The flips of the random arm of one split, `random_draws` sets per seed."""
    draws = range(track.replication.random_draws)
    return [random_draw(labels, track, streams, split, seed, draw) for seed in range(seeds) for draw in draws]


def matched_arm(
    labels: np.ndarray, poisoned: Sequence[Flip], streams: Streams, split: int, seeds: int
) -> list[list[Flip]]:
    """The flips of the matched arm of one split, one draw per seed."""
    return [matched_flips(labels, poisoned, streams.generator(MATCHED, split, seed)) for seed in range(seeds)]


def plan(
    track: Track, streams: Streams, device: str, splits: int, seeds: int, flips: dict[str, list[Any]]
) -> list[tuple[str, dict[str, Any]]]:
    """The cells of an evaluation: (arm, cell), each with consecutive (split, seed) pairs of one arm, draw and
    architecture.

    The last architecture, the heaviest by custom, comes first, so that the end of a run is not one worker's.
    """
    draws = track.replication.random_draws
    arms: dict[str, Callable[[int, int, int], list[Flip]]] = {
        "clean": lambda split, seed, draw: [],
        "random": lambda split, seed, draw: flips["random"][split][seed * draws + draw],
        "poisoned": lambda split, seed, draw: flips["poisoned"][split],
        MATCHED: lambda split, seed, draw: flips[MATCHED][split][seed],
    }
    places = [[split, seed] for split in range(splits) for seed in range(seeds)]
    cells = []
    for victim in reversed(track.victims):
        size = stack_size(victim, device)
        for arm, draw in draws_of(track):
            for start in range(0, len(places), size):
                some = places[start : start + size]
                cell: dict[str, Any] = {
                    "track": track.document,
                    "salt": streams.salt,
                    "victim": victim.name,
                    "places": some,
                    "flips": [arms[arm](split, seed, draw or 0) for split, seed in some],
                    "device": device,
                }
                if draw is not None:
                    cell["draw"] = draw
                if arm == RANDOM and victim.architecture == CLOSED_FORM:
                    cell["expected"] = True
                cells.append((arm, cell))
    return cells


def stack_size(victim: VictimSpec, device: str) -> int:
    """Victims that a cell of this architecture holds."""
    return victim.stack if device == "cpu" else max(victim.stack, _STACK_ON_GPU)


def merged(cells: Sequence[tuple[str, dict[str, Any]]], results: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every victim's entry, with the architecture and arm of its cell."""
    return [
        {**entry, "architecture": cell["victim"], "arm": arm, **draw_of(cell)}
        for (arm, cell), result in zip(cells, results, strict=True)
        for entry in result["victims"]
    ]


def worker(track: Track) -> str:
    """What a worker calls on a cell of this track."""
    return f"lnbench.evaluation.{'exact_cells' if is_exact(track) else 'cells'}:run"


def draw_of(cell: Mapping[str, Any]) -> dict[str, int]:
    """The draw of a cell's random flips under its name, or nothing where an arm has one draw."""
    return {"draw": cell["draw"]} if "draw" in cell else {}


def cell_name(
    track: Track, streams: Streams, environment_id: str, cell: dict[str, Any], arm: str, points: Sequence[data.Split]
) -> dict[str, Any]:
    """Everything a cell's result depends on; its hash is the key in the store.

    On clean labels a track's budget does not count: all budgets share that arm.
    """
    labels = b"".join(
        applied(points[split].labels, flips).astype("<i8").tobytes()
        for (split, _), flips in zip(cell["places"], cell["flips"], strict=True)
    )
    return {
        "track": track.root if arm == CLEAN else track.sha256,
        "salt": streams.commitment,
        "labels": sha256(labels),
        "victim": cell["victim"],
        "places": cell["places"],
        "arm": arm,
        **draw_of(cell),
        "code": code_sha256(track),
        "environment": environment_id,
    }
