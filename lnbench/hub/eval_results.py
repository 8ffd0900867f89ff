"""The Hub's own benchmark files: `eval.yaml` of a benchmark dataset, and `.eval_results` of a model repository.

A benchmark's tasks are lnbench's tracks. A poisoner's value on a track is its score; victims have tasks of their own,
one an arm, whose value is their adversarial accuracy. In all of them higher is better, as the Hub takes it to be. A
value has no interval there, so that stands in the notes.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from lnbench.evaluation.saved_victims import RESULTS
from lnbench.hub import layout
from lnbench.hub.address import Address
from lnbench.protocol import Track, arms_of
from lnbench.record.record import Record
from lnbench.text import interval, plain, points, probability

__all__ = [
    "BENCHMARK",
    "DESCRIPTION",
    "FRAMEWORK",
    "RESULTS",
    "benchmark_yaml",
    "paper_tags",
    "poisoner_yaml",
    "victims_task",
    "victims_yaml",
]

BENCHMARK = "eval.yaml"
FRAMEWORK = "lnbench"
_ARXIV = re.compile(r"arxiv\.org/(?:abs|pdf)/(\d{4}\.\d{4,5})", re.IGNORECASE)
DESCRIPTION = (
    "lnbench, the benchmark for crafted label noise: a poisoner changes at most k training labels and nothing else; "
    "its score is how many percentage points lower the adversarial accuracy of victims trained on the result is than "
    "under random label noise of the same budget."
)


def victims_task(track: str, arm: str) -> str:
    """The task of victims trained on one arm's labels."""
    return f"{track}-victims-{arm}"


def benchmark_yaml(tracks: Sequence[Track]) -> bytes:
    """`eval.yaml` of the dataset that holds these tracks."""
    tasks = []
    for track in tracks:
        config = f"{track.name}-{layout.config(0)}"
        tasks.append({"id": track.name, "config": config, "split": "train"})
        tasks += [{"id": victims_task(track.name, arm), "config": config, "split": "test"} for arm in arms_of(track)]
    return _yaml({"name": "lnbench", "description": DESCRIPTION, "evaluation_framework": FRAMEWORK, "tasks": tasks})


def poisoner_yaml(record: Record, benchmark: Address, source: str) -> bytes:
    """`.eval_results/lnbench.yaml` of a poisoner.

    Args:
        benchmark: the dataset that holds the tracks, at a commit if it is to be named.
        source: the address of the record.
    """
    score, replication = record.score, record.replication
    notes = (
        f"score, percentage points of adversarial accuracy below random flips: {points(score.drop_pp)} "
        f"{interval(score.ci95_pp)} (95 %, over splits), {probability(score.p_value)}; {replication.splits} splits x "
        f"{replication.seeds} seeds, track version {record.track.version}, record {record.sha256[:16]}"
    )
    return _entries([(record.track.name, score.drop_pp, notes)], record, benchmark, source)


def victims_yaml(record: Record, accuracies: dict[str, list[float]], benchmark: Address, source: str) -> bytes:
    """`.eval_results/lnbench.yaml` of kept victims.

    Args:
        accuracies: arm -> each victim's adversarial accuracy, in [0, 1].
    """
    rows = []
    for arm, shares in accuracies.items():
        notes = (
            f"adversarial accuracy in %, mean over {len(shares)} victims trained on the labels of the arm {arm}; "
            f"targeted PGD, track version {record.track.version}, record {record.sha256[:16]} of {record.label}"
        )
        rows.append((victims_task(record.track.name, arm), 100 * sum(shares) / len(shares), notes))
    return _entries(rows, record, benchmark, source)


def paper_tags(paper: str) -> list[str]:
    """The tags by which the Hub links a repository to papers."""
    return [f"arxiv:{number}" for number in dict.fromkeys(_ARXIV.findall(paper))]


def _entries(rows: Sequence[tuple[str, float | None, str]], record: Record, benchmark: Address, source: str) -> bytes:
    """The entries of (task, value, notes), as the client writes them."""
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries = [
        EvalResultEntry(
            dataset_id=benchmark.repo,
            task_id=task,
            value=None if value is None else round(value, 4),
            dataset_revision=benchmark.revision,
            date=record.started[:10],
            source_url=source,
            source_name="lnbench record",
            notes=plain(notes, 500),
        )
        for task, value, notes in rows
    ]
    return _yaml(eval_result_entries_to_yaml(entries))


def _yaml(value: Any) -> bytes:
    import yaml

    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)
    return text.encode()
