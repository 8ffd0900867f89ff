"""What an audit's file says of its record, believed as far as it follows from the bits in the file."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnbench.errors import RecordError
from lnbench.files import parse_canonical
from lnbench.protocol import sha256_json, unpack
from lnbench.record.derived import derive, tables_of
from lnbench.record.record import LARGEST, Record
from lnbench.record.score_schema import Ends

DEPTH = "k"
"""Flips are looked for among as many of the most suspect points as the budget allows flips."""


@dataclass(frozen=True)
class AuditSummary:
    """What the board shows of an audit.

    Attributes:
        survives: whether the record's conclusion holds under the strong adversary, by the audit's own rule.
        drop_pp, ci95_pp: the score under the strong adversary.
        found, found_random: of the poisoned and of the random arm's flips, the share that confident learning finds
            among the k most suspect points; None where it was not measured.
    """

    survives: bool
    drop_pp: float | None
    ci95_pp: Ends | None
    found: float | None
    found_random: float | None


def read(path: Path, record: Record) -> AuditSummary:
    """The audit of a record in a file, whose score is derived again from its bits.

    Args:
        record: with its victims.

    Raises:
        RecordError: if it is not an audit of this record, contradicts itself, or says that it made the record's victims
            again and spares a point that was broken there.
    """
    try:
        document = parse_canonical(path.read_bytes(), LARGEST)
    except OSError as error:
        raise RecordError(f"{path}: it cannot be read: {(error.strerror or str(error)).lower()}.") from None
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from None
    try:
        return _summary(document, record)
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise RecordError(f"{path}: it is not an audit as `lnbench audit` writes them.") from None


def _summary(document: Any, record: Record) -> AuditSummary:
    if document["kind"] != "audit" or document["record"] != record.sha256:
        raise RecordError(f"it is not the audit of the record {record.sha256[:12]}… beside it.")
    if document["sha256"] != sha256_json({k: v for k, v in document.items() if k not in ("run", "sha256")}):
        raise RecordError("its sha256 is not that of its contents.")
    fixed = bool(record.score.fixed_test_set)
    again = derive(record.track, _attacked(document, record), fixed_test_set=fixed)["score"]
    if json.loads(json.dumps(again)) != document["score"]:
        raise RecordError("its score does not follow from its bits.")
    recall = (document["detectability"] or {}).get("recall", {}).get(DEPTH, {})
    return AuditSummary(
        bool(document["survives"]),
        again["drop_pp"],
        None if again["ci95_pp"] is None else (float(again["ci95_pp"][0]), float(again["ci95_pp"][1])),
        recall.get("poisoned"),
        recall.get("random"),
    )


def _attacked(document: Mapping[str, Any], record: Record) -> dict[str, Any]:
    """The record's document with the audit's bits and counts at the scored radius and the damage radius."""
    reproduced, victims = document["reproduced"]
    attacked = {(v["architecture"], v["split"], v["seed"], v["arm"], v.get("draw")): v for v in document["victims"]}
    changed = {**record.document, "victims": copy.deepcopy(record.document["victims"])}
    for victim in changed["victims"]:
        key = victim["architecture"], victim["split"], victim["seed"], victim["arm"], victim.get("draw")
        points, at = victim["clean"]["source_points"], record.track.scored_index(victim["architecture"])
        for goal, packed in attacked.pop(key)["bits"].items():
            before, flags = unpack(victim["bits"][goal], points), unpack(packed, points)
            if reproduced == victims and (before & ~flags).any():
                raise RecordError("it spares a point that the record's own, weaker attack broke.")
            victim["bits"][goal] = packed
            if isinstance(victim["broken"][goal], list):
                victim["broken"][goal][at] = int(flags.sum())
            else:
                victim["broken"][goal] = int(flags.sum())
    if attacked:
        raise RecordError("it has victims that the record has not.")
    tables_of(record.track, changed)
    return changed
