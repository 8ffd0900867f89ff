"""The scores of many splits' points, each split's stored as it comes: see `lnbench.truth.scores`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lnbench.evaluation.code_hash import code_sha256, sources_sha256
from lnbench.evaluation.engine import Engine
from lnbench.evaluation.environment import environment
from lnbench.evaluation.progress import OnProgress
from lnbench.evaluation.reuse import gather
from lnbench.evaluation.store import Store
from lnbench.protocol import Track

_SCORES = "lnbench.truth.scores"


def of_splits(
    track: Track, splits: Sequence[int], engine: Engine, store: Store, notify: OnProgress
) -> list[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """The scores of some splits, from the store or a worker: for each the points that may be flipped, and `scores`."""
    code = [code_sha256(track), sources_sha256([_SCORES])]
    where = environment("cpu", track)["id"]
    cells = [{"track": track.document, "split": split} for split in splits]
    keys = [{"track": track.sha256, "split": split, "code": code, "environment": where} for split in splits]
    made = gather(
        "scores",
        [1] * len(splits),
        load=lambda i: store.get("scores", keys[i]),
        compute=lambda missing: engine.map(f"{_SCORES}:run", [cells[i] for i in missing]),
        keep=lambda i, result: store.put("scores", keys[i], result),
        notify=notify,
        note="what is said to make a point harmful",
    )
    return [
        (np.array(one["points"]), {name: np.array(values) for name, values in one["scores"].items()}) for one in made
    ]
