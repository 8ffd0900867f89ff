"""Whether a defence's record says what its bits, its treatments and the data say; and both made again, if asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from lnbench import data
from lnbench.errors import RecordError, SubmissionError, UnavailableError
from lnbench.evaluation import defence as evaluation
from lnbench.evaluation import machine
from lnbench.evaluation.progress import OnProgress, Progress, quietly
from lnbench.files import RefusedError
from lnbench.poison import diagnosis
from lnbench.poison.contract import DEFENDER
from lnbench.poison.run import Submission
from lnbench.poison.treatment import check as check_treatment
from lnbench.protocol import Streams, Track, applied, sha256, sha256_json
from lnbench.protocol.defended import defended_recipe
from lnbench.protocol.documents import difference
from lnbench.protocol.treatment import Treatment
from lnbench.record import defence as records
from lnbench.record.consistency import Check, check_bits, check_curves
from lnbench.record.defence import DefenceRecord
from lnbench.record.record import Record
from lnbench.trust.retrain import retrain as train_again
from lnbench.trust.verify import Report, verify_record

_TOLERANCE = 2e-9


def verify(
    path: str | Path,
    *,
    track: Track | None = None,
    redefend: bool = False,
    retrain: int | None = None,
    device: str = "cpu",
    workers: int | None = None,
    on_progress: OnProgress | None = None,
) -> Report:
    """Check a defence's record; if it holds, make its treatments and some of its victims again.

    Args:
        track: the caller's own, for a record whose track does not ship with lnbench.
        redefend: run the record's own source on every set of labels again, sandboxed, and compare the treatments.
        retrain: train this many random defended cells again and compare.
        device, workers: where to retrain, and processes at once.
        on_progress: called as work advances.

    Raises:
        DataError: if the track's data is missing here.
        UnavailableError: if no sandbox works here that the source could be run in, or the device is missing.
    """
    try:
        record = records.read(path)
    except RefusedError as error:
        return Report((Check(error.check, False, str(error)),), None)
    except RecordError as error:
        return Report((Check("schema", False, str(error)),), None)
    of_attack = verify_record(record.undefended, track=track)
    checks = [replace(check, name=f"attack: {check.name}") for check in of_attack.checks]
    checks += [_run(name, test, record) for name, test in _CHECKS.items()]
    notify, streams = on_progress or quietly, Streams(record.undefended.track.root)
    if all(check.passed is not False for check in checks):
        checks.append(_run("treatments", lambda record: _treatments(record, streams), record))
    report = Report(tuple(checks), record.undefended)
    if not report.passed:
        return report
    if redefend:
        checks.append(_run("redefend", lambda record: _redefended(record, streams, notify), record))
    cells, power = 0, 0.0
    if retrain is not None:
        again = train_again(
            _as_record(record),
            retrain,
            cells=_cells(record, streams, device),
            track=track,
            device=device,
            workers=workers or machine.cores(),
            on_cell=lambda done, total: notify(Progress("training again", done, total, 0, None)),
        )
        checks.append(again.check)
        cells, power = again.cells, again.power
    return Report(tuple(checks), record.undefended, cells, power)


def _run(name: str, test: Callable[[DefenceRecord], str], record: DefenceRecord) -> Check:
    try:
        return Check(name, True, test(record))
    except RecordError as error:
        return Check(name, False, str(error))


def _source(record: DefenceRecord) -> str:
    defender = record.contents.defender
    if (came := sha256(defender.source.encode())) != defender.sha256:
        raise RecordError(f"the defence's source has sha256 {came[:12]}…, the record states {defender.sha256[:12]}….")
    return f"{len(defender.source)} characters of the defence's source have the stated sha256."


def _victims(record: DefenceRecord) -> str:
    track, before = record.undefended.track, record.undefended.tables.victims
    for victim, undefended in zip(record.tables.victims, before, strict=True):
        clean = victim.clean
        if not (
            victim.flipped == undefended.flipped
            and victim.train_correct <= victim.train_points == track.data.train
            and victim.memorised_count <= min(victim.flipped, victim.train_correct)
            and (clean.points, clean.source_points) == (undefended.clean.points, undefended.clean.source_points)
            and max(clean.correct, clean.source_points) <= clean.points
            and clean.source_correct + clean.source_to_target <= clean.source_points
            and clean.source_correct <= clean.correct
            and max(victim.zero_gradient.targeted, victim.zero_gradient.untargeted) <= clean.source_points
        ):
            raise RecordError(f"defended victim {victim.key} counts what there is not, or another arm than its own.")
    for victim in record.contents.victims:
        counts = list(victim.certified or ())
        if counts != sorted(counts, reverse=True) or (counts and counts[0] > victim.clean.points):
            raise RecordError(f"the certificates of defended victim {victim.key} do not fall from its test points.")
    return f"all {len(before)} defended victims, each beside its undefended one, with counts that are possible."


def _outcome(record: DefenceRecord) -> str:
    if place := difference(record.document["outcome"], record.derived, _TOLERANCE):
        path, came, derived = place
        says = f"it states {str(came)[:60]}, they give {str(derived)[:60]}"
        raise RecordError(f"outcome{path} does not follow from the victims: {says}.")
    return "the block `outcome` follows from the victims and treatments."


def _flags(record: DefenceRecord) -> str:
    reported = [flag for flag in record.flags if flag in records.REPORTED]
    if list(record.flags) != records.all_flags(record.undefended, reported):
        raise RecordError("its flags are not those of its run and of the attack's record.")
    if ("no-sandbox" in reported) != (record.contents.sandbox == "none"):
        raise RecordError("its flag `no-sandbox` and its sandbox contradict each other.")
    return "its flags are those of its run and of the attack's record."


_CHECKS: dict[str, Callable[[DefenceRecord], str]] = {
    "source": _source,
    "victims": _victims,
    "bits": lambda record: check_bits(record.tables),
    "curve": lambda record: check_curves(record.tables),
    "outcome": _outcome,
    "flags": _flags,
}


def _sets(record: DefenceRecord) -> Iterator[tuple[str, int, Any, str]]:
    """Every set of labels: its arm, its split, its flips, and the hash of its treatment."""
    treated, flips = record.document["treated"], record.undefended.document["flips"]
    for split in range(record.undefended.replication.splits):
        yield "clean", split, (), treated["clean"][split]
        yield "poisoned", split, flips["poisoned"][split], treated["poisoned"][split]
        for arm in ("random", "matched"):
            if arm in treated:
                yield from (
                    (arm, split, made, sha) for made, sha in zip(flips[arm][split], treated[arm][split], strict=True)
                )


def _treatments(record: DefenceRecord, streams: Streams) -> str:
    """Compare treatments with their hashes, with the data, and with what a defence may do."""
    documents, track, seen = record.document["treatments"], record.undefended.track, 0
    for sha, document in documents.items():
        if sha256_json(document) != sha:
            raise RecordError(f"the treatment {sha[:12]}… has another hash.")
    steps: dict[tuple[str, int, str], set[int]] = {}
    for v in record.contents.victims:
        steps.setdefault((v.arm, v.split, v.architecture), set()).add(v.steps)
    points: dict[int, data.Split] = {}
    for arm, split, flips, sha in _sets(record):
        if split not in points:
            points = {split: data.load(track, split, streams)}
        given = applied(points[split].labels, flips)
        try:
            made = Treatment.from_document(documents[sha], given)
            check_treatment(made, "the defence", given, track)
        except (KeyError, IndexError, TypeError, ValueError, SubmissionError) as error:
            raise RecordError(f"a treatment of split {split} is not one: {str(error)[:200]}") from None
        for spec in track.victims:
            if defended_recipe(spec, made.recipe, track, "the defence").steps not in steps[arm, split, spec.name]:
                raise RecordError(f"the {spec.name} of split {split} was not trained for its treatment's steps.")
        seen += 1
    return f"the {seen} sets of labels have treatments of their hashes, and within what a defence may do."


def _redefended(record: DefenceRecord, streams: Streams, notify: OnProgress) -> str:
    """Run the source on every set of labels again."""
    mode, block, track = diagnosis.mode(), record.contents.defender, record.undefended.track
    if mode == "none":
        raise UnavailableError(
            "--redefend runs a stranger's source, and no sandbox works here; `lnbench doctor` says how to get one."
        )
    defender = Submission.from_bytes(f"{block.name}.py", block.source.encode(), dict(block.parameters), DEFENDER)
    told, todo = record.contents.told_budget, list(_sets(record))
    points: dict[int, data.Split] = {}
    for done, (_, split, flips, sha) in enumerate(todo):
        if split not in points:
            points = {split: data.load(track, split, streams)}
        try:
            document, _ = evaluation.answer(defender, points[split], flips, track, split, streams, mode, told)
        except SubmissionError as error:
            raise RecordError(f"the stored source fails on split {split}: {error}") from None
        if sha256_json(document) != sha:
            raise RecordError(
                f"the stored source gives another treatment of split {split}; the record's are not its own, or it is "
                "not deterministic."
            )
        notify(Progress("defending again", done + 1, len(todo), 0, None))
    return f"the stored source gives the record's treatment of all {len(todo)} sets of labels again."


def _cells(record: DefenceRecord, streams: Streams, device: str) -> list[tuple[str, dict[str, Any]]]:
    """The cells that the defended victims came from."""
    documents, treated = record.document["treatments"], record.document["treated"]
    draws = record.undefended.track.replication.random_draws

    def sha(arm: str, cell: dict[str, Any], split: int, seed: int) -> str:
        of_split = treated[arm][split]
        if arm in ("clean", "poisoned"):
            return str(of_split)
        return str(of_split[seed * draws + cell.get("draw", 0)] if arm == "random" else of_split[seed])

    return [
        piece
        for arm, cell in evaluation.planned_cells(record.undefended, streams, device)
        for piece in evaluation.pieces(
            arm, cell, [documents[sha(arm, cell, split, seed)] for split, seed in cell["places"]]
        )
    ]


def _as_record(record: DefenceRecord) -> Record:
    """The attack's record with the defended victims in place of its own: what retraining compares with."""
    changed = {name: record.document[name] for name in ("victims", "environment", "code_sha256")}
    return Record({**record.undefended.document, **changed}, record.undefended.track)
