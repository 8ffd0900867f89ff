"""The board in the schema of *Every Eval Ever* 0.3.0, a shared format for results of evaluations.

One file a row, in the layout of its datastore. It is the one public schema with intervals and the direction of a score,
so a row fits into it: score, damage, untargeted score, and the score on each architecture.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lnbench.board.project import PROJECT
from lnbench.board.row import Row
from lnbench.board.tables import Board, Table
from lnbench.text import plain

SCHEMA = "0.3.0"
_UNIT = "percentage points"
_KINDS = {
    "score": "How many percentage points lower the victims' adversarial accuracy is than under as many random flips, "
    "under the targeted adversary.",
    "damage": "The same under the untargeted attack at the track's damage radius.",
    "untargeted": "The same under the untargeted adversary at the score's radius.",
}


def files(board: Board) -> dict[str, bytes]:
    """Every current row as a file, path in the datastore -> content."""
    return {_path(row): _document(table, row) for table in board.tables for row in table.rows}


def _path(row: Row) -> str:
    """`data/<collection>/<developer>/<model>/<uuid>.json`, with a UUID that the record's hash gives."""
    return f"data/lnbench/{_id(row)}/{_uuid(row.record.sha256)}.json"


def _id(row: Row) -> str:
    """The model's name: whoever made it, lnbench is where it is from."""
    return f"lnbench/{row.record.name}"


def _uuid(digest: str) -> str:
    """
    >>> _uuid("f9581ebd4ff938629bd3580b50ab1d30b56113b93c2fdea79baecb75b0d16144")
    'f9581ebd-4ff9-4862-9bd3-580b50ab1d30'
    """
    parts = digest[:8], digest[8:12], f"4{digest[13:16]}", f"{'89ab'[int(digest[16], 16) % 4]}{digest[17:20]}"
    return "-".join((*parts, digest[20:32]))


def _document(table: Table, row: Row) -> bytes:
    record, document = row.record, row.record.document
    poisoner, run = document["poisoner"], document["run"]
    seconds = datetime.datetime.fromisoformat(record.started.replace("Z", "+00:00")).timestamp()
    made = {
        "schema_version": SCHEMA,
        "evaluation_id": f"lnbench/{table.id}/{_id(row)}/{record.sha256}",
        "evaluation_timestamp": record.started,
        "retrieved_timestamp": f"{seconds:.0f}",
        "source_metadata": {
            "source_name": "lnbench, the benchmark for crafted label noise",
            "source_type": "evaluation_run",
            "source_organization_name": "lnbench",
            "source_organization_url": PROJECT,
            "evaluator_relationship": "other",
            "additional_details": _texts(
                {
                    "record": row.path,
                    "record_sha256": record.sha256,
                    "trust": row.trust,
                    "flags": " ".join(row.flags),
                }
            ),
        },
        "eval_library": {
            "name": "lnbench",
            "version": run["version"],
            "additional_details": _texts(
                {"code_sha256": record.code_sha256, "environment": document["environment"]["id"]}
            ),
        },
        "model_info": {
            "name": plain(record.label),
            "id": _id(row),
            "developer": plain(poisoner["author"], 100) or "anonymous",
            "additional_details": {
                "deployment_type": "self_deployed",
                "model_availability": "unknown",
                **_texts(
                    {
                        "kind": "a poisoner: a program that changes training labels; it has no weights",
                        "description": plain(poisoner["description"], 400),
                        "source_sha256": poisoner["sha256"],
                        "parameters": json.dumps(dict(sorted(poisoner["parameters"].items()))),
                        "licence": plain(poisoner["license"]),
                        "paper": plain(poisoner["paper"]),
                        "trainings": str(row.trainings),
                    }
                ),
            },
        },
        "evaluation_results": [one for one in _results(table, row) if one["score_details"]["score"] is not None],
    }
    return json.dumps(made, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


def _results(table: Table, row: Row) -> Iterator[dict[str, Any]]:
    """One entry a number, with its interval."""
    score, splits = row.record.score, row.record.score.splits
    yield _result(table, row, "score", "", score.drop_pp, score.ci95_pp, _numbers(score.split_drops_pp), splits)
    for name, one in sorted(score.per_architecture.items()):
        yield _result(table, row, "score", name, one.drop_pp, one.ci95_pp, [], splits)
    if score.damage:
        damage = score.damage
        drops = _numbers(damage.split_drops_pp)
        yield _result(table, row, "damage", "", damage.drop_pp, damage.ci95_pp, drops, splits)
        for name, by_name in sorted(damage.per_architecture.items()):
            yield _result(table, row, "damage", name, by_name.drop_pp, by_name.ci95_pp, [], splits)
    ends = score.untargeted_ci95_pp
    yield _result(table, row, "untargeted", "", score.untargeted_drop_pp, ends, [], splits)


def _result(
    table: Table,
    row: Row,
    kind: str,
    architecture: str,
    drop: float | None,
    ends: Sequence[float] | None,
    drops: Sequence[float],
    splits: int,
) -> dict[str, Any]:
    track = table.track
    what = f"{kind}.{architecture}" if architecture else kind
    uncertainty: dict[str, Any] = {"num_samples": splits}
    if ends is not None:
        interval = {"lower": ends[0], "upper": ends[1], "confidence_level": 0.95}
        uncertainty["confidence_interval"] = interval | {"method": "Student's t over the means of the splits"}
    if len(drops) > 1:
        deviation = float(np.std(drops, ddof=1))
        error = {"value": round(deviation / len(drops) ** 0.5, 9), "method": "analytic"}
        uncertainty |= {"standard_deviation": round(deviation, 9), "standard_error": error}
    return {
        "evaluation_result_id": f"{row.record.sha256[:16]}.{what}",
        "evaluation_name": f"{table.id} {what}",
        "source_data": {
            "dataset_name": track.name,
            "source_type": "other",
            "additional_details": _texts(
                {
                    "track_version": str(track.version),
                    "track_sha256": track.sha256,
                    "data": track.data.source,
                    "season": table.season or "",
                }
            ),
        },
        "metric_config": {
            "evaluation_description": f"{_KINDS[kind]}{f' On {architecture} alone.' if architecture else ''}",
            "metric_id": f"lnbench.{what}",
            "metric_name": f"{what}, {_UNIT}",
            "metric_kind": "accuracy_difference",
            "metric_unit": _UNIT,
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": -100.0,
            "max_score": 100.0,
        },
        "score_details": {
            "score": drop,
            "uncertainty": uncertainty,
            "details": _texts({"seeds": str(row.record.score.seeds), "ranked": "true"}),
        },
        "generation_config": {
            "generation_args": {
                "execution_command": plain(row.record.document["run"]["command"], 400),
                "sandbox": {"type": row.record.sandbox},
            }
        },
    }


def _numbers(values: Sequence[float | None]) -> list[float]:
    """The values that are there."""
    return [value for value in values if value is not None]


def _texts(details: dict[str, str]) -> dict[str, str]:
    """The details that say something."""
    return {name: text for name, text in details.items() if text}
