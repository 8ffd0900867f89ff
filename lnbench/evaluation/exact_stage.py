"""Training for victims with an exact adversary: first each split's table of what flips do, then the arms from it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lnbench.evaluation.code_hash import sources_sha256
from lnbench.evaluation.engine import Engine
from lnbench.evaluation.environment import environment
from lnbench.evaluation.plan import worker
from lnbench.evaluation.progress import OnProgress
from lnbench.evaluation.reuse import Result, gather
from lnbench.evaluation.stages import train_all
from lnbench.evaluation.store import Store
from lnbench.protocol import Streams, Track
from lnbench.protocol.exactness import CLOSED_FORM


def tables(
    track: Track,
    streams: Streams,
    splits: int,
    levels: Sequence[float],
    engine: Engine,
    store: Store,
    notify: OnProgress,
) -> list[Result]:
    """`exact_cells.table` of the first splits of a track, from the store or a worker.

    Args:
        track: any with one pair a split, whatever its victims.
        levels: radii at which each split's test points are attacked, times its pair's factor, ascending.
    """
    cells, names = [], []
    code = sources_sha256(["lnbench.evaluation.exact_cells", f"lnbench.data.{track.data.source}"])
    where = {"environment": environment("cpu", track)["id"], "scipy": importlib.metadata.version("scipy")}
    for split in range(splits):
        factor = track.factors(split)[track.pairs(split)[0][0]]
        radii = [level * factor for level in levels]
        cells.append({"track": track.document, "salt": streams.salt, "split": split, "levels": radii})
        named = {"track": track.sha256, "salt": streams.commitment, "split": split, "levels": radii}
        names.append({**named, "code": code, **where})
    return gather(
        "tables",
        [1] * splits,
        load=lambda i: store.get("tables", names[i]),
        compute=lambda missing: engine.map("lnbench.evaluation.exact_cells:table", [cells[i] for i in missing]),
        keep=lambda i, result: store.put("tables", names[i], result),
        notify=notify,
        note="what each flip does to a nearest neighbour",
    )


def train_exact(
    track: Track,
    streams: Streams,
    cells: Sequence[dict[str, Any]],
    names: Sequence[Mapping[str, Any]],
    engine: Engine,
    store: Store,
    notify: OnProgress,
    *,
    seen: Callable[[int, Result], None] | None = None,
) -> list[Result]:
    """Every cell's result; as `train_all`, with the tables that nearest neighbours need made first."""
    missing = {cell["victim"] for cell, name in zip(cells, names, strict=True) if store.get("cells", name) is None}
    splits = 1 + max(split for cell in cells for split, _ in cell["places"])
    for spec in track.victims:
        if spec.architecture == CLOSED_FORM and spec.name in missing:
            made = tables(track, streams, splits, track.epsilons(spec), engine, store, notify)
            for cell in cells:
                if cell["victim"] == spec.name:
                    cell["tables"] = [made[split] for split, _ in cell["places"]]
    renamed = [dict(name) for name in names]
    return train_all(cells, renamed, engine, store, notify, function=worker(track), seen=seen)
