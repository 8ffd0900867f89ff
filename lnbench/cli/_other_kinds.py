"""Audits, budget curves and statements on the command line: files that lie beside records and are none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lnbench.cli._result import Result
from lnbench.text import interval, marked, plain, points, share

_GOALS = {"adv_acc": "targeted AA", "untargeted_adv_acc": "untargeted AA", "damage_adv_acc": "AA, small ε"}


def show(path: Path, result: Result) -> bool:
    """Print a file if it is an audit, a budget curve or a statement; whether it is.

    Raises:
        RecordError: if it looks like one, and is not as lnbench writes them.
    """
    from lnbench.errors import RecordError
    from lnbench.record import kinds, statement

    kind, document = kinds.peek(path)
    if kind is None or kind == "defence":
        return False
    if kind == "statement":
        statement.read(path)
    try:
        {"audit": print_audit, "budgets": print_budgets, "statement": _statement}[kind](document, result)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise RecordError(f"{path}: it is not {_NAMES[kind]} as lnbench writes them.") from None
    result.give(document)
    return True


_NAMES = {"audit": "an audit", "budgets": "a curve over budgets", "statement": "a statement"}


DOUBTS = {
    "zero-gradient": "the record's attack found no gradient at more than 1 % of the points",
    "undefined": "some logits are not numbers",
    "not-monotone": "a larger radius broke fewer points, so that the attack missed some there",
    "more-steps": "twice the steps break over 1 % more, so that the record's attack had not converged",
    "black-box": "random search breaks over .2 % that the record's attack missed",
}
"""What the signs of `lnbench.adversary.SIGNS` say of an arm's attack; there, they bring PyTorch."""


def print_audit(document: Mapping[str, Any], result: Result) -> None:
    """What came of an audit, for a person."""
    poisoner, track = document["poisoner"], document["track"]
    result.say(f"audit of {plain(_label(poisoner), 80)} on {plain(track['name'], 40)}, record {document['record'][:8]}")
    goals = {goal: words for goal, words in _GOALS.items() if goal in document["arms"]["poisoned"]}
    head = [title for words in goals.values() for title in (words, "in the record")]
    rows = [
        [arm, *(share(values[name]) for goal in goals for name in (goal, f"plain_{goal}"))]
        for arm, values in document["arms"].items()
    ]
    result.table(["labels", *head], rows)
    same, total = document["reproduced"]
    result.say(f"{same} of {total} victims gave the record's bits again under the record's own attack.")
    for sentence in document["verdict"]:
        result.say(marked(sentence, lines=1))
    if document["standing"] is None:
        result.say("Its rank was not looked at: there was no board.")
    doubts: dict[str, list[str]] = {}
    for flag in document["flags"]:
        arm, goal, sign = [*str(flag).split(":"), "", ""][:3]
        doubts.setdefault(sign, []).append(f"{arm} {goal}".strip())
    for sign, places in doubts.items():
        about = DOUBTS.get(sign, "a sign that this lnbench does not know")
        result.say(f"Doubt, {marked(', '.join(places), lines=3)}: {about} ({marked(sign, lines=1)}).")


def print_budgets(document: Mapping[str, Any], result: Result) -> None:
    """Print AA and score at each budget."""
    from lnbench.protocol import ARMS

    rows = [
        [
            str(point["budget"]),
            f"{point['eta']:.2g}",
            *(share(point["adv_acc"][arm]) for arm in ARMS),
            points(point["drop_pp"]),
            interval(point["ci95_pp"]),
        ]
        for point in document["points"]
    ]
    label, track = plain(_label(document["poisoner"]), 80), plain(document["track"]["name"], 40)
    result.say(f"{label} on {track}, by budget; none of these records ranks.")
    result.table(["k", "η", "AA clean", "random", "poisoned", "score, pp", "95 % interval"], rows)


def _statement(document: Mapping[str, Any], result: Result) -> None:
    signed = "signed by a key" if "signature" in document else "without a signature"
    result.say(
        f"statement of {plain(document['by'], 80)}, {document['date']}, {signed}: record {document['record'][:8]}"
    )
    result.say(f"{document['cells']} cells trained again in the environment {document['environment'][:8]}; what held:")
    result.table(
        ["check", "sentence"],
        [[plain(name, 40), plain(sentence, 300)] for name, sentence in document["checks"].items()],
        words=["sentence"],
    )


def _label(poisoner: Mapping[str, Any]) -> str:
    shown = ", ".join(f"{name}={value}" for name, value in sorted(poisoner["parameters"].items()))
    return f"{poisoner['name']}({shown})" if shown else str(poisoner["name"])
