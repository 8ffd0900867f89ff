"""One cell of a table: victims of one architecture, each on its own flips, trained and attacked in a worker."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

from lnbench.evaluation import cells
from lnbench.protocol import pack


def run(cell: dict[str, Any], report: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """Train the cell's victims and see which test points of the source class the targeted adversary breaks.

    Args:
        cell: as for `lnbench.evaluation.cells.trained`.
        report: called now and then with the share of the work that is done.

    Returns:
        For each victim `points`, `broken` and `bits` (as a record's), `memorised` (of its flips) and `diverged`; and
        `seconds` of processor time of all.
    """
    begin = time.process_time()
    made = cells.trained(cell, lambda share: report(0.9 * share))
    epsilon = made.track.epsilon(made.spec)
    spec = made.spec.replaced(epsilon=epsilon, epsilons=(epsilon,))
    attacked = cells.attack(dataclasses.replace(made, spec=spec, track=_one_radius(made.track, spec)), True)
    fitted = made.victims.predict(made.base, made.subset).cpu().numpy()
    diverged, victims = made.victims.diverged.cpu().numpy(), []
    for row in range(len(cell["places"])):
        m = int(made.source(row).sum())
        broken = attacked.broken[row, 0, :m].cpu().numpy()
        changed = made.labels[row] != made.points[row].labels
        victims.append(
            {
                "points": m,
                "broken": int(broken.sum()),
                "bits": pack(broken),
                "memorised": int((fitted[row] == made.labels[row])[changed].sum()),
                "diverged": bool(diverged[row]),
            }
        )
    return {"victims": victims, "seconds": round(time.process_time() - begin, 3)}


def _one_radius(track: Any, spec: Any) -> Any:
    """A track whose victim of this name is attacked at one radius."""
    return track.replaced(victims=tuple(spec if v.name == spec.name else v for v in track.victims))
