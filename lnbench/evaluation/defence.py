"""One defence against one attack: the attack's own evaluation, the defender's answers, the defended victims, a record.

The defender is run on every set of labels of every arm, the clean and the random ones among them, and what it is told
does not say which it is given. Everything goes into the store as it arrives, so a killed run resumes.
"""

from __future__ import annotations

import dataclasses
import itertools
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from lnbench import data
from lnbench.errors import ProtocolError
from lnbench.evaluation import conductor, machine, nodes, plan, provenance
from lnbench.evaluation.bundled import knowing_labels
from lnbench.evaluation.code_hash import code_sha256, guest_code_sha256
from lnbench.evaluation.environment import environment
from lnbench.evaluation.label_runs import repeated
from lnbench.evaluation.progress import OnProgress, quietly
from lnbench.evaluation.reuse import Result, gather
from lnbench.evaluation.stages import in_threads, train_all
from lnbench.evaluation.store import Store
from lnbench.poison import sandbox as sandboxes
from lnbench.poison.defend import Defended, defend
from lnbench.poison.run import Submission
from lnbench.protocol import Flip, Streams, Track, applied, arms_of, sha256, sha256_json
from lnbench.record import defence as defence_record
from lnbench.record.defence import DefenceRecord
from lnbench.record.record import Record
from lnbench.record.tables import expected_victims

_MOST = 1000
"""Times that a record has room for."""

NOT_ASKED = -1
"""As `budget`: tell the defender nothing of how many labels may be wrong."""


def evaluate(
    defender: Submission,
    against: Submission | Record,
    track: Track,
    *,
    quick: bool = False,
    replication: tuple[int, int] | None = None,
    budget: int | None = None,
    device: str = "cpu",
    workers: int | None = None,
    sandbox: str = "auto",
    store: Store | None = None,
    on_progress: OnProgress | None = None,
) -> DefenceRecord:
    """Score a defence: how much of an attack's drop below random flips it removes, both arms being defended.

    Args:
        defender: a defender's file, read but not run.
        against: an attack's file; or its record, whose flips, splits and seeds are taken as they are.
        quick: the track's smaller replication.
        replication: splits and seeds other than the track's.
        budget: the most wrong labels that the defender is told of; the track's if None, nothing if `NOT_ASKED`.
        device, workers, sandbox, store, on_progress: as of `lnbench.evaluation.conductor.evaluate`.

    Raises:
        SubmissionError: if the defender or the attack breaks its contract.
        ProtocolError: if a parameter or device does not exist, or a record is of another track or a secret salt.
        DataError, UnavailableError: if data, a sandbox or a device is missing here.
    """
    clock, store, notify = provenance.Clock(), store or Store(), on_progress or quietly
    device = machine.resolved_device(device)
    workers = machine.workers(workers, device)
    mode = machine.resolved_sandbox(sandbox)
    _ = defender.values  # what is wrong with its text or parameters is told before the attack is evaluated
    if isinstance(against, Record):
        undefended = against
        _usable(against, track)
    else:
        undefended = conductor.evaluate(
            against,
            track,
            quick=quick,
            replication=replication,
            device=device,
            workers=workers,
            sandbox=sandbox,
            store=store,
            on_progress=notify,
        )
    streams, where = Streams(track.root), environment(device, track)
    points = [data.load(track, split, streams) for split in range(undefended.replication.splits)]
    told = {None: track.noise.budget, NOT_ASKED: None}.get(budget, budget)
    planned = planned_cells(undefended, streams, device)
    answers, seconds, same = _answers(defender, planned, points, track, streams, mode, told, workers, store, notify)
    cells = [piece for arm, cell in planned for piece in _pieces(arm, cell, points, answers)]
    names = [
        {
            **plan.cell_name(track, streams, where["id"], cell, arm, points),
            "treatments": sha256_json(cell["treatments"]),
        }
        for arm, cell in cells
    ]
    requests = [cell for _, cell in cells]
    results = train_all(requests, names, nodes.engine("local", workers, device), store, notify, kind="defended")
    reported = {
        "non-deterministic": not same,
        "no-sandbox": mode == sandboxes.NONE,
        "other-environment": where["id"] != undefended.environment.id,
    }
    return defence_record.assemble(
        undefended=undefended,
        defender=_block(defender),
        told_budget=told,
        treatments={sha256_json(document): document for document in answers.values()},
        treated=_treated(undefended, points, answers),
        victims=_ordered(undefended, plan.merged(cells, results)),
        environment=where,
        code_sha256=code_sha256(track),
        sandbox=mode,
        run=provenance.run_block(
            clock,
            seconds[:_MOST],
            where,
            device=device,
            engine="local",
            workers=workers,
            command=_command(defender, undefended),
        ),
        flags=[flag for flag, raised in reported.items() if raised],
    )


def planned_cells(undefended: Record, streams: Streams, device: str) -> list[tuple[str, dict[str, Any]]]:
    """The cells of an attack's record, (arm, cell)."""
    document = undefended.document
    return plan.plan(
        undefended.track,
        streams,
        device,
        undefended.replication.splits,
        undefended.replication.seeds,
        {arm: list(lists) for arm, lists in document["flips"].items()},
    )


Answers = dict[tuple[int, str], dict[str, Any]]
"""(split, hash of the labels) -> document of the defender's answer."""


def labels_key(points: data.Split, flips: Sequence[Sequence[int]]) -> str:
    """What a set of labels is known by: the hash of the labels with the flips made."""
    return sha256(applied(points.labels, flips).astype("<i8").tobytes())


def answer(
    defender: Submission,
    points: data.Split,
    flips: Sequence[Sequence[int]],
    track: Track,
    split: int,
    streams: Streams,
    mode: str,
    told: int | None,
    cancel: threading.Event | None = None,
) -> tuple[dict[str, Any], Defended]:
    """A defender's answer to the labels with some flips made, as a document, and what came with it."""
    labels = applied(points.labels, flips)
    made = defend(defender, points, labels, track, split, streams, mode=mode, budget=told, cancel=cancel)
    return made.treatment.document(labels), made


def _answers(
    defender: Submission,
    planned: Sequence[tuple[str, dict[str, Any]]],
    points: Sequence[data.Split],
    track: Track,
    streams: Streams,
    mode: str,
    told: int | None,
    workers: int,
    store: Store,
    notify: OnProgress,
) -> tuple[Answers, list[float], bool]:
    """The defender's answer to every set of labels, the seconds of each, and whether some, drawn in secret, came out
    the same twice."""
    jobs: dict[tuple[int, str], list[Flip]] = {}
    for _, cell in planned:
        for (split, _), flips in zip(cell["places"], cell["flips"], strict=True):
            jobs.setdefault((split, labels_key(points[split], flips)), flips)
    keys, common = list(jobs), _name(defender, track, streams, mode, told)
    names = [{**common, "split": split, "labels": sha} for split, sha in keys]
    repeats = store.below("repeats")
    draw = {**common, "splits": len(keys)}
    again = repeated(draw, repeats)
    runs = [(i, store) for i in range(len(keys))] + [(i, repeats) for i in again]

    cancel = threading.Event()

    def one(run: int) -> Result:
        split, _ = keys[runs[run][0]]
        document, made = answer(
            defender, points[split], jobs[keys[runs[run][0]]], track, split, streams, mode, told, cancel
        )
        return {"answer": document, "trainings": made.treatment.trainings, "seconds": made.seconds}

    def keep(run: int, result: Result) -> None:
        if repeats.get("splits", draw) is None:
            repeats.put("splits", draw, {"splits": again})
        runs[run][1].put("treatments", names[runs[run][0]], result)

    results = gather(
        "defend",
        [1] * len(runs),
        load=lambda run: runs[run][1].get("treatments", names[runs[run][0]]),
        compute=lambda missing: in_threads(one, missing, workers, cancel),
        keep=keep,
        notify=notify,
        note=f"{defender.name} on {len(keys)} sets of labels",
    )
    made = {key: result["answer"] for key, result in zip(keys, results, strict=False)}
    same = all(results[i]["answer"] == results[at]["answer"] for at, i in enumerate(again, len(keys)))
    return made, [float(result["seconds"]) for result in results[: len(keys)]], same


def _name(defender: Submission, track: Track, streams: Streams, mode: str, told: int | None) -> dict[str, Any]:
    """What an answer depends on besides the labels. The arm is not in it: a defender does not know it either."""
    return {
        "track": track.sha256,
        "salt": streams.commitment,
        "source": defender.sha256,
        "parameters": dict(defender.parameters),
        "told": told,
        "sandbox": mode,
        "code": guest_code_sha256(),
    }


def pieces(arm: str, cell: dict[str, Any], documents: Sequence[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The defended cells of a cell: consecutive victims with the same recipe and number of networks.

    Args:
        documents: the treatment of each of its victims.
    """
    kinds = [sha256_json([document["recipe"], len(document["labels"])]) for document in documents]
    for _, group in itertools.groupby(range(len(kinds)), key=lambda i: kinds[i]):
        rows = list(group)
        some = {name: [cell[name][i] for i in rows] for name in ("places", "flips")}
        yield arm, {**cell, **some, "treatments": [documents[i] for i in rows]}


def _pieces(
    arm: str, cell: dict[str, Any], points: Sequence[data.Split], answers: Answers
) -> Iterator[tuple[str, dict[str, Any]]]:
    documents = [
        answers[split, labels_key(points[split], flips)]
        for (split, _), flips in zip(cell["places"], cell["flips"], strict=True)
    ]
    return pieces(arm, cell, documents)


def _treated(undefended: Record, points: Sequence[data.Split], answers: Answers) -> dict[str, Any]:
    """The hash of the treatment of every set of labels, as a record has them."""

    def sha(split: int, flips: Sequence[Sequence[int]]) -> str:
        return sha256_json(answers[split, labels_key(points[split], flips)])

    flips = undefended.document["flips"]
    treated: dict[str, Any] = {"clean": [sha(split, ()) for split in range(len(points))]}
    for arm in arms_of(undefended.track)[1:]:
        treated[arm] = [
            sha(split, made) if arm == "poisoned" else [sha(split, drawn) for drawn in made]
            for split, made in enumerate(flips[arm])
        ]
    return treated


def _ordered(undefended: Record, victims: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Defended victims in the order of the attack's record."""
    splits, seeds = undefended.replication.splits, undefended.replication.seeds
    made = {(v["architecture"], v["split"], v["seed"], v["arm"], v.get("draw")): v for v in victims}
    return [made[key] for key in expected_victims(undefended.track, splits, seeds)]


def _block(defender: Submission) -> dict[str, Any]:
    """The record's `defender` block."""
    words = {name: getattr(defender.details, name) for name in ("description", "author", "paper", "license")}
    own = {"name": defender.name, "parameters": defender.overrides, "source": defender.source}
    return {**own, **words, "sha256": defender.sha256}


def _command(defender: Submission, undefended: Record) -> str:
    """The command line that makes a record again."""
    settings = " ".join(f"--set={k}={v}" for k, v in sorted(defender.parameters.items()))
    size = undefended.replication
    if undefended.name == knowing_labels().stem:  # a file that holds the defence, and no name of one
        return (
            f"lnbench matrix --track {undefended.track.name} --defences {defender.name} --attacks my_poisoner "
            f"--splits {size.splits} --seeds {size.seeds}"
        )
    return (
        f"lnbench defend {defender.name} --against {undefended.name} --track {undefended.track.name} "
        f"--splits {size.splits} --seeds {size.seeds} {settings}"
    ).rstrip()


def _usable(record: Record, track: Track) -> None:
    """Raise ProtocolError unless a record's flips can be made on this track's public splits."""
    if record.track.sha256 != track.sha256:
        raise ProtocolError(
            f"the attack's record is of the track {record.track.name}, version {record.track.version}, and not of this "
            f"{track.name}; give --track, or another record."
        )
    if record.salt != "public":
        raise ProtocolError("the attack's record draws its splits by a salt that is not public; give one that does.")


@dataclasses.dataclass(frozen=True)
class CheckedAnswer:
    """What `check` saw on one set of labels.

    Attributes:
        what: which labels: `clean` or `random`.
        relabelled: labels that the first network is trained on and that are not those that came.
        left_out: points that no network is trained on.
        weighted: points that count less than others on some network, the left-out ones among them.
        networks: of a victim.
        recipe: fields that replace the track's.
        seconds: wall clock of the first run.
        deterministic: whether a second run gave the same.
        log: what the first run printed.
    """

    what: str
    relabelled: int
    left_out: int
    weighted: int
    networks: int
    recipe: dict[str, Any]
    seconds: float
    deterministic: bool
    log: str


def check(defender: Submission, track: Track, *, sandbox: str = "auto") -> list[CheckedAnswer]:
    """Run a defender twice on the true labels and on random flips of the first split; train nothing.

    Raises:
        SubmissionError, ProtocolError, DataError, UnavailableError: as `evaluate`.
    """
    mode, streams = machine.resolved_sandbox(sandbox), Streams(track.root)
    points, seen = data.load(track, 0, streams), []
    for what, flips in (("clean", []), ("random", plan.random_arm(track, points.labels, streams, 0, 1)[0])):
        (document, made), (again, _) = (
            answer(defender, points, flips, track, 0, streams, mode, track.noise.budget) for _ in range(2)
        )
        treatment = made.treatment
        weights = treatment.weights
        least = np.zeros(len(points.labels), bool) if weights is None else (weights < weights.max()).any(0)
        trained = np.ones(len(points.labels), bool) if treatment.weights is None else (treatment.weights > 0).any(0)
        seen.append(
            CheckedAnswer(
                what,
                len(document["labels"][0]),
                int((~trained).sum()),
                int(least.sum()),
                len(treatment.labels),
                dict(treatment.recipe),
                made.seconds,
                document == again,
                made.log,
            )
        )
    return seen
