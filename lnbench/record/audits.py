"""What an audit's file says of its record, believed as far as it follows from the bits in the file."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lnbench.errors import RecordError
from lnbench.files import parse_canonical, read_at_most
from lnbench.protocol import sha256_json, unpack
from lnbench.record.derived import derive, split_damage_accuracies, tables_of
from lnbench.record.record import LARGEST, Record
from lnbench.record.score_schema import Ends
from lnbench.record.tables import Tables

STRENGTH: Mapping[str, int] = {"steps": 50, "restarts": 1, "all_targets": 9, "queries": 500}
"""The strong adversary's settings; see `lnbench.adversary.strong`."""
DAMAGE = "damage"
"""What victims are attacked for beside the score: untargeted, at the smaller radius of a track that has one."""
DEPTH = "k"
"""Flips are looked for among as many of the most suspect points as the budget allows flips."""


@dataclass(frozen=True, eq=False)
class StrongDamage:
    """The damage score under the strong adversary.

    Attributes:
        drop_pp, ci95_pp: as of a record's damage score.
        split_drops_pp: of every split, None where no victim converged.
        accuracies: untargeted AA of the poisoned arm at the damage radius, (split,).
    """

    drop_pp: float
    ci95_pp: Ends
    split_drops_pp: tuple[float | None, ...]
    accuracies: np.ndarray


@dataclass(frozen=True)
class AuditSummary:
    """What the board shows of an audit.

    Attributes:
        survives: whether the record's conclusion holds under the strong adversary; see `verdict`.
        reproduced: whether the audit says that all of the record's victims came out as the record has them.
        drop_pp, ci95_pp: the score under the strong adversary.
        found, found_random: of the poisoned and of the random arm's flips, the share that confident learning finds
            among the k most suspect points; None where it was not measured. The audit says so: no bits do.
        damage: the damage score under the strong adversary; None on tracks without one.
    """

    survives: bool
    reproduced: bool
    drop_pp: float | None
    ci95_pp: Ends | None
    found: float | None
    found_random: float | None
    damage: StrongDamage | None = None


def read(path: Path, record: Record) -> AuditSummary:
    """The audit of a record in a file, whose score is derived again from its bits.

    Args:
        record: with its victims.

    Raises:
        RecordError: if it is not an audit of this record, contradicts itself, was made by another adversary, leaves
            out a victim or a goal, or says that it made the record's victims again and spares a point broken there.
    """
    if not path.is_file():
        raise RecordError(f"{path}: expected a file.")
    try:
        document = parse_canonical(read_at_most(path, LARGEST), LARGEST)
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
    if document["strength"] != STRENGTH:
        raise RecordError(f"strength: expected {dict(STRENGTH)}, as every audit has it.")
    fixed = bool(record.score.fixed_test_set)
    attacked, tables = _attacked(document, record)
    blocks = derive(record.track, attacked, fixed_test_set=fixed, tables=tables)
    again, (survives, _) = blocks["score"], verdict(record, blocks)
    if json.loads(json.dumps(again)) != document["score"]:
        raise RecordError("its score does not follow from its bits.")
    if document["survives"] is not survives:
        raise RecordError("it does not say of the record's conclusion what its bits say.")
    same, total = document["reproduced"]
    if total != len(record.document["victims"]) or not 0 <= same <= total:
        raise RecordError("it does not count the record's victims.")
    recall = (document["detectability"] or {}).get("recall", {}).get(DEPTH, {})
    return AuditSummary(
        survives,
        same == total,
        again["drop_pp"],
        None if again["ci95_pp"] is None else (float(again["ci95_pp"][0]), float(again["ci95_pp"][1])),
        _share(recall.get("poisoned")),
        _share(recall.get("random")),
        _damage(again, tables),
    )


def _damage(score: Mapping[str, Any], tables: Tables) -> StrongDamage | None:
    """The damage score that follows from an audit's bits; None on tracks without one, or if it has no interval."""
    block, accuracies = score.get(DAMAGE), split_damage_accuracies(tables)
    if block is None or block["ci95_pp"] is None or accuracies is None:
        return None
    low, high = block["ci95_pp"]
    return StrongDamage(float(block["drop_pp"]), (low, high), tuple(block["split_drops_pp"]), accuracies)


def _share(value: Any) -> float | None:
    """A share that an audit states, or None where it states none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise RecordError("detectability: expected shares from 0 to 1.")
    return float(value)


def verdict(record: Record, blocks: Mapping[str, Any]) -> tuple[bool, list[str]]:
    """Whether the conclusion of the record holds under the strong adversary, and why, in sentences.

    It does if the score stays on its side of zero and inside the record's interval, the damage score, too, and if the
    record would rank, or not, as it did.

    Args:
        blocks: what follows from the record's victims under the strong adversary, as of `derive`.
    """
    before, after = record.score, blocks["score"]
    if before["ci95_pp"] is None or after["ci95_pp"] is None:
        return False, ["There is no interval to compare: too few victims converged."]
    was, now = _side(before["ci95_pp"]), _side(after["ci95_pp"])
    said = {1: "beats random", 0: "is not told apart from random", -1: "is worse than random"}
    inside = before["ci95_pp"][0] <= after["drop_pp"] <= before["ci95_pp"][1]
    said_of_it = [
        f"Under the strong adversary the score is {after['drop_pp']:+.1f} pp "
        f"[{after['ci95_pp'][0]:.1f}, {after['ci95_pp'][1]:.1f}]; the record says {before['drop_pp']:+.1f} "
        f"[{before['ci95_pp'][0]:.1f}, {before['ci95_pp'][1]:.1f}].",
        f"The poisoner {said[now]}, as in the record."
        if was == now
        else f"The poisoner {said[now]}; in the record it {said[was]}.",
    ]
    if not inside:
        said_of_it.append("The strong score lies outside the record's interval.")
    held, stated = True, record.document["score"]
    if DAMAGE in stated:
        held, said_of_damage = _damage_holds(stated[DAMAGE], after[DAMAGE])
        said_of_it.append(said_of_damage)
    ranked = blocks["ranked"] == record.ranked
    if not ranked:
        said_of_it.append("Under the strong adversary the record's standing (ranked or not) would change.")
    return was == now and inside and held and ranked, said_of_it


def _damage_holds(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether the damage score keeps its side of zero and lies in the record's interval, and a sentence on it."""
    if before["ci95_pp"] is None or after["ci95_pp"] is None:
        return False, "The damage score has no interval to compare."
    low, high = before["ci95_pp"]
    holds = _side(before["ci95_pp"]) == _side(after["ci95_pp"]) and low <= after["drop_pp"] <= high
    return holds, (
        f"Its damage score is {after['drop_pp']:+.1f} pp [{after['ci95_pp'][0]:.1f}, {after['ci95_pp'][1]:.1f}]; the "
        f"record says {before['drop_pp']:+.1f} [{low:.1f}, {high:.1f}]{'' if holds else ': it does not hold'}."
    )


def _side(interval: list[float]) -> int:
    return (interval[0] > 0) - (interval[1] < 0)


def _attacked(document: Mapping[str, Any], record: Record) -> tuple[dict[str, Any], Tables]:
    """The record's document with the audit's bits and counts at the scored and the damage radius; its victims."""
    reproduced, victims = document["reproduced"]
    attacked = {(v["architecture"], v["split"], v["seed"], v["arm"], v.get("draw")): v for v in document["victims"]}
    changed = {**record.document, "victims": copy.deepcopy(record.document["victims"])}
    for victim in changed["victims"]:
        key = victim["architecture"], victim["split"], victim["seed"], victim["arm"], victim.get("draw")
        points, at = victim["clean"]["source_points"], record.track.scored_index(victim["architecture"])
        bits = attacked.pop(key)["bits"]
        if bits.keys() != victim["bits"].keys():
            raise RecordError(f"bits: expected those of {', '.join(victim['bits'])}, got {', '.join(bits) or 'none'}.")
        for goal, packed in bits.items():
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
    return changed, tables_of(record.track, changed)
