"""Every defence against every attack: one after the other, resumable, and a document of what came out.

The document holds each pair's outcome and the hash of its record; the board's page of defences is made from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from lnbench.errors import ProtocolError, SubmissionError
from lnbench.evaluation import defence, submissions
from lnbench.evaluation.bundled import knowing_labels, knowing_search
from lnbench.evaluation.progress import OnProgress
from lnbench.evaluation.store import Store
from lnbench.poison.contract import DEFENDER
from lnbench.poison.submission import Submission
from lnbench.protocol import Track
from lnbench.record.defence import DefenceRecord

ATTACKS = ("my_poisoner", "mean_matching", "matched_search", "best")
"""What defences are tried against; `best` is the board's best row of the track."""
KNOWING = "knowing_search"
"""The attacker that knows the defence: tried against defences that it can imitate."""


@dataclass(frozen=True)
class Pair:
    """One cell of the matrix.

    Attributes:
        defence, attack: their labels.
        record: what came out; None where the defence cannot be had on this track, and `error` says why.
    """

    defence: str
    attack: str
    record: DefenceRecord | None
    error: str = ""


def run(
    defences: Sequence[str],
    attacks: Sequence[Submission],
    track: Track,
    *,
    knowing: bool = True,
    quick: bool = False,
    replication: tuple[int, int] | None = None,
    workers: int | None = None,
    device: str = "cpu",
    store: Store | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[Pair]:
    """Evaluate every defence against every attack; what the store holds is not made again.

    Args:
        defences: files or bundled names.
        attacks: the attacks.
        knowing: let the attacker that knows the defence try too, on those that it can imitate.
        quick, replication, workers, device, store, on_progress: as of `lnbench.evaluation.defence.evaluate`.

    Raises:
        LnbenchError: as `defence.evaluate`, but for a SubmissionError of a defence, and what is wrong with the attacker
            who knows it: those end their pairs alone.
    """
    made = [submissions.load(name, contract=DEFENDER) for name in defences]
    for attack in [*attacks, *([None] if knowing else [])]:
        for defender in made:
            against, label = attack, KNOWING if attack is None else _label(attack)
            try:
                if against is None and (against := _knowing(defender, track)) is None:
                    continue
                record = defence.evaluate(
                    defender,
                    against,
                    track,
                    quick=quick,
                    replication=replication,
                    workers=workers,
                    device=device,
                    store=store,
                    on_progress=on_progress,
                )
            except (SubmissionError, ProtocolError) as error:
                own = isinstance(error, SubmissionError) and str(error).startswith(f"{defender.file}:")
                if attack is not None and not own:
                    raise
                yield Pair(_label(defender), label, None, str(error))
                continue
            yield Pair(_label(defender), label, record)


def document(pairs: Sequence[Pair], track: Track) -> dict[str, Any]:
    """What the page of defences is made from: JSON values.

    Args:
        pairs: in the order of `run`, at least one of them with a record.
    """
    records = [pair.record for pair in pairs if pair.record is not None]
    size = records[0].undefended.replication
    return {
        "track": {"name": track.name, "version": track.version, "sha256": track.sha256},
        "replication": {"splits": size.splits, "seeds": size.seeds},
        "defences": [{"name": name, **_about(name, pairs, track)} for name in dict.fromkeys(p.defence for p in pairs)],
        "attacks": list(dict.fromkeys(pair.attack for pair in pairs)),
        "pairs": [_entry(pair) for pair in pairs],
    }


def _entry(pair: Pair) -> dict[str, Any]:
    names = {"defence": pair.defence, "attack": pair.attack}
    if pair.record is None:
        return {**names, "error": pair.error}
    outcome = msgspec.to_builtins(pair.record.outcome)
    stated = {"outcome": outcome, "flags": list(pair.record.flags)}
    return {**names, **stated, "record": pair.record.filename, "sha256": pair.record.sha256}


def _about(name: str, pairs: Sequence[Pair], track: Track) -> dict[str, Any]:
    """What a defence is, and how many times an undefended victim's training its victims cost."""
    records = [pair.record for pair in pairs if pair.record is not None and pair.defence == name]
    if not records:
        return {"description": "", "cost": None}
    costs = [cost(treatment, track) for treatment in records[0].document["treatments"].values()]
    return {
        "description": records[0].contents.defender.description,
        "cost": round(sum(costs) / len(costs), 2),
    }


def cost(treatment: Mapping[str, Any], track: Track) -> float:
    """Forward and backward passes of a defended training, in those of an undefended one; a mean over architectures.

    >>> from lnbench.protocol import track
    >>> digits = track.load("digits-9to0")
    >>> cost({"labels": [[]], "recipe": {"sam": 0.1}}, digits), cost({"labels": [[]] * 3, "recipe": {}}, digits)
    (2.0, 3.0)
    """
    factors = []
    for spec in track.victims:
        recipe = spec.recipe.changed(treatment["recipe"])
        passes = [
            _passes(some.adversarial) * (1 + (some.sam > 0)) * (1 + some.co_teaching) for some in (recipe, spec.recipe)
        ]
        work = recipe.steps * recipe.batch / (spec.recipe.steps * spec.recipe.batch)
        factors.append(len(treatment["labels"]) * work * passes[0] / passes[1])
    return sum(factors) / len(factors)


def _passes(adversarial: Any) -> int:
    """Passes through the network that a step takes."""
    if adversarial is None:
        return 1
    return int(adversarial.steps) + (2 if adversarial.method == "trades" else 1)


def _label(submission: Submission) -> str:
    shown = ", ".join(f"{k}={v}" for k, v in sorted(submission.overrides.items()))
    return f"{submission.name}({shown})" if shown else submission.name


def _knowing(defender: Submission, track: Track) -> Submission | None:
    """The attacker that knows this defence.

    Of one that changes labels or weights or leaves points out it runs the file itself, of one that changes the recipe
    alone it trains its surrogates with that; there is none of a defence that does nothing, or that votes.
    """
    seen = defence.check(defender, track)
    if any(answer.networks > 1 for answer in seen):
        return None
    if any(answer.relabelled or answer.weighted for answer in seen):
        source = knowing_labels().read_text("utf-8")
        settings = json.dumps(defender.overrides, sort_keys=True)
        for name, empty, text in (("DEFENCE", '""', defender.source), ("PARAMETERS", '"{}"', settings)):
            before, _, after = source.partition(f"\n{name} = {empty}")
            source = f"{before}\n{name} = {text!r}{after}"
        return Submission.from_bytes(knowing_labels().name, source.encode())
    recipe = seen[0].recipe
    return Submission.from_file(knowing_search(), {"recipe": json.dumps(recipe, sort_keys=True)}) if recipe else None
