"""A submission's pull request: its title, its text, and the rules that its author confirms."""

from __future__ import annotations

from lnbench.errors import RecordError
from lnbench.poison.submission import Submission
from lnbench.record.record import Record, meaning
from lnbench.text import cell, interval, plain, points, probability, replicates, share

RULES = (
    "The file is mine to submit, under the licence it states.",
    "Labels come from the training set handed over: no constants derived from test points, no lists of known indices "
    "or images, no weights, no network.",
    "Everything random comes from `problem.rng`.",
    "A bucket or seed to choose is chosen inside the sandbox, or every one of them is submitted: no best of N.",
    "I know that the project evaluates the file again, that the row stays, and that others may refute it.",
)
"""What an author confirms; `.github/PULL_REQUEST_TEMPLATE.md` lists the same."""


def check_same(record: Record, submission: Submission) -> None:
    """Raise RecordError unless the record was made from exactly this file."""
    evaluated = str(record.document["poisoner"]["sha256"])
    if (record.name, evaluated) != (submission.name, submission.sha256):
        raise RecordError(
            f"the record is of {record.name}.py with sha256 {evaluated[:12]}…, the file is {submission.file} with "
            f"{submission.sha256[:12]}…; evaluate the file as it is now."
        )


def title(record: Record) -> str:
    """The pull request's title."""
    return plain(f"Submission: {record.label}", 120)


def text(record: Record) -> str:
    """The pull request's text, in markdown: what it is, what it scored on its author's machine, and the rules."""
    poisoner, score, arms = record.document["poisoner"], record.score, record.arms
    facts = {
        "file": f"`submissions/{record.name}.py`, sha256 `{poisoner['sha256']}`",
        "author": cell(poisoner["author"]),
        "licence": cell(poisoner["license"]),
        "paper": cell(poisoner["paper"], 300) or "–",
        "parameters": cell(", ".join(f"{k}={v}" for k, v in sorted(record.parameters.items()))) or "defaults",
    }
    r = record.document["replication"]
    rows = {
        "score, pp": f"**{points(score['drop_pp'])}** {interval(score['ci95_pp'])}, {probability(score['p_value'])}",
        **{
            f"{cell(name)} alone, pp": f"{points(row['drop_pp'])} {interval(row['ci95_pp'])}"
            for name, row in score["per_architecture"].items()
        },
        "AA of the arms, %": " · ".join(f"{arm} {share(block['adv_acc'])}" for arm, block in arms.items()),
        "clean accuracy, %": " · ".join(f"{arm} {share(block['clean_acc'])}" for arm, block in arms.items()),
        "victim trainings used": str(sum(record.document["trainings"])),
        "may rank": "yes" if record.ranked else "no: " + "; ".join(cell(meaning(f), 200) for f in record.flags),
    }
    where = f"{record.track.name}, version {record.track.version}, {replicates(r['splits'], r['seeds'])}"
    run = record.document["run"]
    made = f"`{run['command']}` with lnbench {run['version']}" if run["command"] else "lnbench"
    return "\n".join(
        [
            f"{cell(poisoner['description'], 200) or cell(record.name)}",
            "",
            *_table("submission", "", facts),
            "",
            *_table("result of the author", cell(where), rows),
            "",
            f"Made by {made}, sandbox {record.document['sandbox']}; record sha256 `{record.sha256}`.",
            "",
            "**Rules** (tick what holds)",
            "",
            *(f"- [ ] {rule}" for rule in RULES),
            "",
        ]
    )


def _table(left: str, right: str, rows: dict[str, str]) -> list[str]:
    return [f"| {left} | {right} |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
