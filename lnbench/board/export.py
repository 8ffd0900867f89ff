"""The board for other programs: JSON, CSV and BibTeX."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from typing import Any

import numpy as np

from lnbench.board.row import Row
from lnbench.board.tables import Board, Table
from lnbench.protocol import ARMS, canonical_json
from lnbench.record.record import Record
from lnbench.record.score import t_interval
from lnbench.text import plain

_SHARES = ("adv_acc", "untargeted_adv_acc", "clean_acc", "source_clean_acc", "memorised")


def as_json(board: Board) -> bytes:
    """Tables and history with everything but the victims and the sources, as canonical JSON."""
    blocks = {"tables": board.tables, "history": board.history}
    return canonical_json({"schema": 1, **{name: [_table(t) for t in tables] for name, tables in blocks.items()}})


def as_csv(board: Board) -> str:
    """One line a record; fractions in [0, 1], `_pp` in percentage points, an empty cell for what is not known."""
    rows = [
        _line(table, row, current)
        for current, tables in ((True, board.tables), (False, board.history))
        for table in tables
        for row in table.rows
    ]
    out = io.StringIO()
    if rows:
        names = dict.fromkeys(name for row in sorted(rows, key=len, reverse=True) for name in row)
        writer = csv.DictWriter(out, list(names), lineterminator="\n")  # an empty cell where a table has no such column
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()


def as_bibtex(board: Board) -> str:
    """One `@misc` a current record."""
    return "\n".join(_entry(table, row) for table in board.tables for row in table.rows)


def _table(table: Table) -> dict[str, Any]:
    track = table.track
    return {
        "track": {"name": track.name, "version": track.version, "sha256": track.sha256, "title": track.title},
        "season": table.season,
        "rows": [_row(row) for row in table.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    record = row.record
    poisoner = {k: v for k, v in record.document["poisoner"].items() if k != "source"}
    return {
        "poisoner": poisoner,
        "ranks": None if row.ranks is None else list(row.ranks),
        "p_holm": _p(row.p_holm),
        "beats_random": row.beats_random,
        "damage_ranks": None if row.damage_ranks is None else list(row.damage_ranks),
        "damage_p_holm": _p(row.damage_p_holm),
        "damages": row.damages,
        "beats_search": row.above_search,
        "audit": _audit(row),
        **_exact(row),
        **_networks(row),
        "proven": row.proven,
        "own_splits": _own(row),
        "trust": row.trust,
        "trainings": row.trainings,
        "score": _score(record),
        "classes_ci95_pp": _classes(row),
        "arms": record.document["arms"],
        "flags": list(row.flags),
        "started": record.started,
        "record": row.path,
        "sha256": record.sha256,
    }


def _p(p: float | None) -> float | None:
    """A p to four digits, however small: none is 0."""
    return None if p is None else float(f"{p:.4g}")


def _score(record: Record) -> dict[str, Any]:
    """The record's score, but for its p: a record rounds it to nine places, and here it has four digits."""
    drops = [drop for drop in record.score.split_drops_pp if drop is not None]
    return {**record.document["score"], "p_value": _p(t_interval(np.array(drops)).p)}


def _classes(row: Row) -> list[float] | None:
    """The score's interval for other classes; None where the track does not go round pairs of them."""
    ends = None if row.classes is None else row.classes.ends
    return None if ends is None else [round(end, 9) for end in ends]


def _audit(row: Row) -> dict[str, Any] | None:
    audit = row.audit
    if audit is None:
        return None
    names = ("survives", "reproduced", "drop_pp", "ci95_pp", "found", "found_random")
    return {**{name: getattr(audit, name) for name in names}, "damage": _strong_damage(row)}


def _strong_damage(row: Row) -> dict[str, Any] | None:
    """The damage score under the strong adversary, with its ranks and corrected p among the audited rows."""
    damage = row.audit.damage if row.audit else None
    if damage is None:
        return None
    return {
        "drop_pp": damage.drop_pp,
        "ci95_pp": list(damage.ci95_pp),
        "ranks": None if row.strong_damage_ranks is None else list(row.strong_damage_ranks),
        "p_holm": _p(row.strong_damage_p_holm),
        "damages": row.strong_damages,
    }


def _exact(row: Row) -> dict[str, Any]:
    """What the row's flips do to a nearest neighbour; all null where the track's optimum has not been solved for."""
    share, worth = row.optimal, row.worth
    ends = None if share is None or share.ends is None else [round(end, 9) for end in share.ends]
    return {
        "share_of_optimum": None if share is None or share.mean is None else round(share.mean, 9),
        "share_of_optimum_ci95": ends,
        "worth_random_flips": None if worth is None else round(worth.flips, 9),
        "worth_random_flips_ci95": None if worth is None else [round(worth.low, 9), round(worth.high, 9)],
    }


def _networks(row: Row) -> dict[str, Any]:
    """How many random flips the networks say that the row's are worth; nothing where that was not measured."""
    worth = row.network_worth
    if worth is None:
        return {}
    ends = [round(worth.low, 9), round(worth.high, 9)]
    return {"network_worth_random_flips": round(worth.flips, 9), "network_worth_random_flips_ci95": ends}


def _own(row: Row) -> dict[str, Any] | None:
    own = row.own
    return None if own is None else {"score": _score(own), "record": row.own_path, "sha256": own.sha256}


def _line(table: Table, row: Row, current: bool) -> dict[str, Any]:
    record, score = row.record, row.record.score
    first, last = row.ranks or ("", "")
    low, high = score["ci95_pp"]
    classes_low, classes_high = _classes(row) or (None, None)
    worst = score["worst_architecture"] or {"name": "", "drop_pp": ""}
    arms = {f"{arm}_{share}": record.arms[arm][share] for arm in ARMS for share in _SHARES}
    return {
        "track": table.track.name,
        "version": table.track.version,
        "track_sha256": table.track.sha256,
        "season": table.season,
        "current": int(current),
        "rank_first": first,
        "rank_last": last,
        "poisoner": _spreadsheet(record.label),
        "drop_pp": score["drop_pp"],
        "ci95_low_pp": low,
        "ci95_high_pp": high,
        "p_value": _p(row.p),
        "p_holm": _p(row.p_holm),
        "worst_architecture": worst["name"],
        "worst_drop_pp": worst["drop_pp"],
        "area_pp": score["area_pp"],
        "untargeted_drop_pp": score["untargeted_drop_pp"],
        "classes_ci95_low_pp": classes_low,
        "classes_ci95_high_pp": classes_high,
        **_damage(row),
        **{name: value for name, value in (_exact(row) | _networks(row)).items() if not name.endswith("ci95")},
        "own_splits_drop_pp": row.own.score["drop_pp"] if row.own else None,
        "own_splits_sha256": row.own.sha256 if row.own else None,
        "audit_drop_pp": row.audit.drop_pp if row.audit else None,
        "audit_survives": int(row.audit.survives) if row.audit else None,
        "audit_reproduced": int(row.audit.reproduced) if row.audit else None,
        "audit_damage_drop_pp": row.audit.damage.drop_pp if row.audit and row.audit.damage else None,
        "audit_damage_p_holm": _p(row.strong_damage_p_holm),
        "found_share": row.audit.found if row.audit else None,
        "matched_drop_pp": score.matched.drop_pp if score.matched else None,
        **arms,
        "trainings": row.trainings,
        "flags": " ".join(row.flags),
        "trust": _spreadsheet(row.trust),
        "date": record.started[:10],
        "record": row.path,
        "sha256": record.sha256,
    }


def _damage(row: Row) -> dict[str, Any]:
    damage = row.record.score.damage
    low, high = (damage.ci95_pp if damage else None) or (None, None)
    first, last = row.damage_ranks or (None, None)
    return {
        "damage_drop_pp": damage.drop_pp if damage else None,
        "damage_ci95_low_pp": low,
        "damage_ci95_high_pp": high,
        "damage_from_clean_pp": damage.from_clean_pp if damage else None,
        "damage_p_holm": _p(row.damage_p_holm),
        "damage_rank_first": first,
        "damage_rank_last": last,
    }


def _spreadsheet(text: str) -> str:
    """Text that no spreadsheet takes for a formula, whatever form of a sign it begins with."""
    shown = plain(text)
    return f"'{shown}" if unicodedata.normalize("NFKC", shown)[:1] in ("=", "+", "-", "\N{MINUS SIGN}", "@") else shown


def _entry(table: Table, row: Row) -> str:
    record = row.record
    poisoner = record.document["poisoner"]
    key = re.sub(r"[^A-Za-z0-9]+", "-", f"lnbench-{table.id}-{record.name}").strip("-")
    fields = {
        "author": poisoner["author"] or "anonymous",
        "title": f"{record.label}: a poisoner on lnbench's {table.track.name}",
        "year": record.started[:4],
        "note": f"score {row.drop:.1f} percentage points, record sha256 {record.sha256}",
        "howpublished": poisoner["paper"],
    }
    lines = [f"  {name} = {{{_tex(value)}}}," for name, value in fields.items() if value]
    return "\n".join([f"@misc{{{key}-{record.sha256[:8]},", *lines, "}"]) + "\n"


def _tex(text: str) -> str:
    """Text that TeX prints as it is."""
    special = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    return "".join(special.get(c, f"\\{c}" if c in "&%$#_{}" else c) for c in plain(text))
