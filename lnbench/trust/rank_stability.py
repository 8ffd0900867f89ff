"""Where a row stands among the others, by the record and under the audit's strong adversary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lnbench.record.folder import audit_beside, records_in
from lnbench.record.record import Record, read
from lnbench.record.score import rank_intervals


def others_in(folder: Path, record: Record) -> tuple[list[Record], dict[str, list[float | None]]]:
    """The ranked rows that a record is compared with, and the strong scores of those that were audited.

    Args:
        folder: `<track>/<file>.json`, with audits beside as `<file>.audit.json`.

    Returns:
        The records of the same track, salt and splits but the same row, and record hash -> strong drops, (split,). A
        quick record has none.

    Raises:
        RecordError: if a file there is not a record.
    """
    rows, audits = list[Record](), dict[str, list[float | None]]()
    for path in records_in(folder, record.track.name):
        other = read(path)
        same = other.track.sha256 == record.track.sha256 and other.replication.splits == record.replication.splits
        if not other.ranked or not same or other.document["salt_commitment"] != record.document["salt_commitment"]:
            continue
        if other.identity != record.identity:
            rows.append(other)
            if (strong := _audited(path, other)) is not None:
                audits[other.sha256] = strong
    return rows, audits


def standing(
    record: Record,
    strong: Sequence[float | None],
    rows: Sequence[Record],
    audits: Mapping[str, Sequence[float | None]],
) -> dict[str, Any]:
    """Ranks as on the board, and with this row's (and every audited row's) drops under the strong adversary.

    Rows share the random arm, so comparing drops split by split is comparing AAs. The rank survives if the row's
    place under the strong adversary lies within the interval of ranks that its record gives it.

    Args:
        strong: the audited record's split drops, (split,), None where every victim diverged.

    Returns:
        `rows` (this one included), `audited` (of the others), `ranks` and `strong_ranks` ([first, last]), `place` and
        `strong_place`, `survives`.
    """
    before = [record.score["split_drops_pp"], *(row.score["split_drops_pp"] for row in rows)]
    after = [list(strong), *(audits.get(row.sha256, row.score["split_drops_pp"]) for row in rows)]
    known = [all(d[i] is not None for d in (*before, *after)) for i in range(len(strong))]
    places, ranks = [], []
    for drops in (before, after):
        table = np.array([[d for d, kept in zip(row, known, strict=True) if kept] for row in drops], dtype=float)
        ranks.append([int(r) for r in rank_intervals(-table)[0]])
        places.append(1 + int((table.mean(axis=1)[1:] > table.mean(axis=1)[0]).sum()) if any(known) else None)
    first, last = ranks[0]
    return {
        "rows": len(before),
        "audited": len(audits),
        "ranks": ranks[0],
        "strong_ranks": ranks[1],
        "place": places[0],
        "strong_place": places[1],
        "survives": places[1] is not None and first <= places[1] <= last,
    }


def sentence(found: Mapping[str, Any]) -> str:
    """What a person reads of it."""
    if found["rows"] == 1:
        return "No other row of this track, salt and splits stands on the board."
    span, strong = ("–".join(map(str, sorted(set(found[name])))) for name in ("ranks", "strong_ranks"))
    verdict = "its rank survives" if found["survives"] else "its rank does not survive"
    return (
        f"Among the board's {found['rows']} rows it ranks {span}; under the strong adversary {strong}, place "
        f"{found['strong_place']} ({found['audited']} of the others audited too): {verdict}."
    )


def _audited(path: Path, record: Record) -> list[float | None] | None:
    """The strong split drops of the audit beside a record, or None if there is none of this very record."""
    try:
        document = json.loads(audit_beside(path).read_bytes())
        drops = document["score"]["split_drops_pp"]
        same = document["kind"] == "audit" and document["record"] == record.sha256
    except (OSError, ValueError, KeyError, TypeError):
        return None
    numbers = isinstance(drops, list) and all(d is None or type(d) in (int, float) for d in drops)
    return drops if same and numbers and len(drops) == len(record.score["split_drops_pp"]) else None
