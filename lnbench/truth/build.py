"""Building a table: cells in the store, so that a run that was killed goes on, then one parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lnbench import data
from lnbench.errors import ProtocolError
from lnbench.evaluation.code_hash import code_sha256, sources_sha256
from lnbench.evaluation.engine import Engine
from lnbench.evaluation.environment import environment
from lnbench.evaluation.progress import OnProgress
from lnbench.evaluation.stages import train_all
from lnbench.evaluation.store import Store
from lnbench.protocol import Streams, Track, eligible
from lnbench.protocol.exactness import is_exact
from lnbench.truth.sets import SEEDS, sets_of


@dataclass(frozen=True)
class Row:
    """One victim of a table.

    Attributes:
        architecture: its name in the track.
        split, seed: its place.
        flips: indices of the flipped training points, ascending.
        points: test points of the source class; `broken` of them, which `bits` (packed, as in records) tell one by one.
        memorised: flips that it learned.
    """

    architecture: str
    split: int
    seed: int
    flips: tuple[int, ...]
    points: int
    broken: int
    bits: str
    memorised: int


def build(
    track: Track,
    table: str,
    splits: Sequence[int],
    engine: Engine,
    store: Store,
    notify: OnProgress,
    *,
    architectures: Sequence[str] | None = None,
    device: str = "cpu",
) -> tuple[list[Row], float]:
    """The rows of a table, and the seconds of a core that one of its victims took on the mean.

    Args:
        track: with networks and one pair a split; its recipes train them, its splits of the public salt are used.
        architectures: names in the track; all of them if None.

    Raises:
        ProtocolError: if the track has no such split or architecture, its splits have several pairs, or there is no
            such table.
    """
    if is_exact(track) or any(len(track.pairs(split)) > 1 for split in splits):
        raise ProtocolError(f"{track.name}: a table is of networks, on splits of one pair each.")
    names = [v.name for v in track.victims]
    wanted = list(architectures or names)
    strange: list[Any] = sorted(set(wanted) - set(names))
    strange += [split for split in splits if not 0 <= split < track.replication.splits]
    if strange:
        raise ProtocolError(
            f"{track.name} has no {strange[0]!r}: its victims are {', '.join(names)}, its splits 0 to "
            f"{track.replication.splits - 1}."
        )
    streams, cells = Streams(track.root), list[dict[str, Any]]()
    for split in splits:
        labels = data.load(track, split, streams).labels
        ((_, target),) = track.pairs(split)
        sets = sets_of(table, eligible(labels, track.pairs(split)), streams, split)
        flips = [[(i, int(labels[i]), target) for i in some] for some in sets]
        for name in wanted:
            each = [(seed, made) for made in flips for seed in range(SEEDS)]
            size = track.spec(name).stack
            for start in range(0, len(each), size):
                some = each[start : start + size]
                cells.append(
                    {
                        "track": track.document,
                        "salt": streams.salt,
                        "victim": name,
                        "places": [[split, seed] for seed, _ in some],
                        "flips": [made for _, made in some],
                        "device": device,
                    }
                )
    code = [code_sha256(track), sources_sha256(["lnbench.truth.cells"])]
    where, asked = environment(device, track)["id"], ("victim", "places", "flips")
    keys = [
        {"track": track.sha256, **{k: _plain(cell[k]) for k in asked}, "code": code, "environment": where}
        for cell in cells
    ]
    results = train_all(cells, keys, engine, store, notify, function="lnbench.truth.cells:run", kind="truth")
    rows = [
        Row(
            cell["victim"],
            split,
            seed,
            tuple(index for index, _, _ in flips),
            *(victim[k] for k in ("points", "broken", "bits", "memorised")),
        )
        for cell, result in zip(cells, results, strict=True)
        for (split, seed), flips, victim in zip(cell["places"], cell["flips"], result["victims"], strict=True)
    ]
    seconds = [result["seconds"] / len(cell["places"]) for cell, result in zip(cells, results, strict=True)]
    return rows, float(np.mean(seconds))


def _plain(value: Any) -> Any:
    """Tuples as lists, as JSON has them."""
    return [_plain(inner) for inner in value] if isinstance(value, (list, tuple)) else value
