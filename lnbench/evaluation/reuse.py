"""Work in pieces: results that are there are taken, the others are computed, and each is stored at once.

Every stage that takes time goes this way, so a run that is killed resumes, and two runs share what they have in common.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lnbench.evaluation.progress import OnProgress, Progress

Result = dict[str, Any]
"""What one piece of work gives: JSON values."""


def gather(
    stage: str,
    units: Sequence[int],
    *,
    load: Callable[[int], Result | None],
    compute: Callable[[list[int]], Iterator[tuple[int, float, Result | None]]],
    keep: Callable[[int, Result], None],
    notify: OnProgress,
    note: str = "",
) -> list[Result]:
    """The result of every piece, in order.

    Args:
        stage: what progress reports call this work.
        units: how many units of work each piece is, (piece,); progress is told in them.
        load: a piece's result if it is there already, or None.
        compute: takes the pieces that are missing and yields (place among them, share of it done, result or None); a
            result comes once for each.
        keep: called with a piece and its result as soon as it arrives.
        notify: told how far the work is, at the start and after each step.
        note: one line for people, in every report.
    """
    results = {i: result for i in range(len(units)) if (result := load(i)) is not None}
    missing = [i for i in range(len(units)) if i not in results]
    total, reused = sum(units), sum(units[i] for i in results)
    shares, start = dict.fromkeys(missing, 0.0), time.monotonic()

    def tell() -> None:
        fresh = sum(units[i] * shares[i] for i in missing)
        left = (time.monotonic() - start) * (total - reused - fresh) / fresh if fresh > 0 else None
        notify(Progress(stage, reused + fresh, total, reused, left, note))

    tell()
    for at, share, result in compute(missing):
        shares[missing[at]] = share
        if result is not None:
            results[missing[at]] = result
            keep(missing[at], result)
        tell()
    return [results[i] for i in range(len(units))]
