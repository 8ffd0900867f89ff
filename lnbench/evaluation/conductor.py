"""The conductor: poison every split, train every arm's victims, attack them, score, record.

The only module that knows the order of the stages. The parent process trains nothing, and a submission's code is never
code in it; every result goes into the store as it arrives, so a killed run resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lnbench import data, record
from lnbench.errors import ProtocolError, UnavailableError
from lnbench.evaluation import machine, nodes, plan, provenance, saved_victims
from lnbench.evaluation.code_hash import code_sha256
from lnbench.evaluation.engine import Engine
from lnbench.evaluation.exact_stage import train_exact
from lnbench.evaluation.label_runs import poison_split
from lnbench.evaluation.progress import OnProgress, Progress, quietly
from lnbench.evaluation.so_far import SoFar
from lnbench.evaluation.stages import poison_all, train_all
from lnbench.evaluation.store import Store
from lnbench.poison import sandbox as sandboxes
from lnbench.poison.in_process import InProcess
from lnbench.poison.published import Published
from lnbench.poison.run import PoisonedLabels, Submission
from lnbench.protocol import OWN, PUBLIC_SALT, Flip, Streams, Track, changed, own_salt, sha256
from lnbench.protocol.exactness import is_exact
from lnbench.record.record import Record
from lnbench.record.thumbnails import thumbnails

__all__ = ["CheckedSplit", "Progress", "check", "evaluate"]


def evaluate(
    poisoner: Submission | Published | InProcess,
    track: Track,
    *,
    quick: bool = False,
    replication: tuple[int, int] | None = None,
    device: str = "cpu",
    workers: int | None = None,
    engine: str | Engine = "local",
    sandbox: str = "auto",
    stored_labels: bool = False,
    salt: str = PUBLIC_SALT,
    season: str | None = None,
    own_splits: bool = False,
    store: Store | None = None,
    keep_victims: Path | None = None,
    on_progress: OnProgress | None = None,
    on_log: Callable[[int, str], None] | None = None,
) -> Record:
    """Score a poisoner on a track.

    Args:
        poisoner: a submission's file, read but not run; or, unranked, published labels or a class of this process.
        quick: the track's smaller replication; such a record cannot rank.
        replication: splits and seeds other than the track's; such a record cannot rank either.
        device: `cpu`, `cuda` or `auto`, where victims are trained.
        workers: processes at once; one per core, or one for each GPU, if None; as many as fit on a cluster.
        engine: where cells run: `local`, `ray`, or one that is made already.
        sandbox: `auto` is bubblewrap, or an error; `none` runs the submission unprotected, unranked.
        stored_labels: run no submission: take the labels that a campaign put into the store, here or elsewhere.
        salt: seasons salt splits and seeds; any salt but the public one needs a season to rank.
        own_splits: let the salt that track, source and parameters give draw splits and seeds.
        store: where results are stored and looked up; the default store if None.
        keep_victims: a folder for all victims as safetensors, which takes training each of them again.
        on_progress: called as work advances.
        on_log: called with each split and what the poisoner printed on it.

    Raises:
        SubmissionError: if the poisoner breaks the contract, on any split.
        ProtocolError: if a parameter, device or engine does not exist.
        DataError, UnavailableError: if data, a sandbox, a device or stored labels are missing here.
    """
    clock, store, notify = provenance.Clock(), store or Store(), on_progress or quietly
    if keep_victims is not None and is_exact(track):
        raise ProtocolError(f"{track.name}'s victims are no networks: there is nothing to keep of them.")
    device = machine.resolved_device(device)
    pool = nodes.engine(engine, workers, device) if isinstance(engine, str) else engine
    if pool.name == "local":
        workers = machine.workers(workers, device)
    seen = nodes.survey(pool, track, device, salt)
    where = seen.environment
    mode = sandboxes.BUBBLEWRAP if stored_labels else _sandbox(poisoner, sandbox, seen)
    said = salt if salt == PUBLIC_SALT else None
    if own_splits:
        salt, said = _own_salt(poisoner, track, salt), OWN
    streams = Streams(track.root, salt)
    splits, seeds = replication or _replication(track, quick)
    points = [data.load(track, split, streams) for split in range(splits)]

    if isinstance(poisoner, Published):
        poisoned, same = poisoner.poisoned(track, [p.labels for p in points]), True
    elif isinstance(poisoner, InProcess):
        poisoned, same = poisoner.poisoned(track, points, streams, twice=not quick)
    else:
        ask = _only_stored(notify) if stored_labels else notify
        rest, apart = (points, streams, mode, machine.workers(workers, "cpu"), store, ask), season is not None
        there = pool if seen.boxes and mode == sandboxes.BUBBLEWRAP and not apart else None
        poisoned, same = poison_all(poisoner, track, *rest, twice=not quick, apart=apart, engine=there)

    if on_log is not None:
        for split, answer in enumerate(poisoned):
            on_log(split, answer.log)
    flips = plan.flips_of_arms(track, [p.labels for p in points], _flips(points, poisoned), streams, seeds)
    planned = plan.plan(track, streams, device, splits, seeds, flips)
    cells = [cell for _, cell in planned]
    names = [plan.cell_name(track, streams, where["id"], cell, arm, points) for arm, cell in planned]
    so_far = SoFar(track, planned)
    told = so_far.reports(notify)
    if is_exact(track):
        results = train_exact(track, streams, cells, names, pool, store, told, seen=so_far.add)
    else:
        results = train_all(cells, names, pool, store, told, seen=so_far.add)

    in_parts = any(result["in_parts"] for result in results)
    command = provenance.command(poisoner, track, quick=quick, season=season, own_splits=own_splits)
    made = record.assemble(
        track=track,
        streams_commitment=streams.commitment,
        salt=said,
        season=season,
        quick=quick,
        splits=splits,
        seeds=seeds,
        poisoner=provenance.poisoner_block(poisoner, poisoned[0]),
        flips=flips,
        labels_sha256=[sha256(p.labels.astype("<i8").tobytes()) for p in poisoned],
        trainings=[p.trainings for p in poisoned],
        victims=plan.merged(planned, results),
        thumbnails=thumbnails(points, flips["poisoned"]) if data.pictures(track) else None,
        environment=where,
        code_sha256=code_sha256(track),
        sandbox=mode,
        fixed_test_set=data.fixed_test_set(track),
        flags=[flag for flag, raised in (("non-deterministic", not same), ("split-block", in_parts)) if raised],
        run=provenance.run_block(
            clock,
            [p.seconds for p in poisoned],
            where,
            device=device,
            engine=pool.name,
            workers=workers,
            command=command,
        ),
    )
    if keep_victims is not None:
        saved_victims.save(cells, names, results, keep_victims, pool, notify)
        saved_victims.write_card(made, keep_victims)
    return made


@dataclass(frozen=True)
class CheckedSplit:
    """What `check` saw on one split.

    Attributes:
        split: its index.
        flips: the flips of the first of two runs.
        trainings: victims the poisoner says it trained.
        seconds: wall clock of the first run.
        deterministic: whether the second run flipped the same.
        sandbox: the mode both ran in.
        log: what the first run printed; a stranger's text, made safe to show line by line behind a prefix.
    """

    split: int
    flips: list[Flip]
    trainings: int
    seconds: float
    deterministic: bool
    sandbox: str
    log: str = ""


def check(
    poisoner: Submission | InProcess, track: Track, *, sandbox: str = "auto", splits: int = 1
) -> list[CheckedSplit]:
    """Poison the first splits twice each and check the labels; train nothing.

    Raises:
        SubmissionError: if the poisoner breaks the contract.
        ProtocolError: if a parameter does not exist.
        DataError, UnavailableError: if data or a sandbox is missing here.
    """
    streams, seen = Streams(track.root), []
    mode = _sandbox(poisoner, sandbox)
    for split in range(splits):
        points = data.load(track, split, streams)
        if isinstance(poisoner, InProcess):
            first, second = (poisoner.answer(track, split, points, streams) for _ in range(2))
        else:
            first, second = (poison_split(poisoner, track, points, streams, split, mode) for _ in range(2))
        flips, again = _flips([points, points], [first, second])
        seen.append(CheckedSplit(split, flips, first.trainings, first.seconds, flips == again, mode, first.log))
    return seen


def _sandbox(poisoner: Submission | Published | InProcess, wish: str, seen: nodes.Survey | None = None) -> str:
    """The mode that the record names: what the poisoner runs in."""
    if not isinstance(poisoner, Submission):
        return sandboxes.NONE
    return seen.sandbox(wish) if seen is not None else machine.resolved_sandbox(wish)


def _own_salt(poisoner: Submission | Published | InProcess, track: Track, salt: str) -> str:
    """The salt that a submission gives itself.

    Raises:
        ProtocolError: if there is no source to derive it from, or another salt is asked for too.
    """
    if not isinstance(poisoner, Submission):
        raise ProtocolError(
            "own splits are drawn from a submission's source; labels and classes without one have none."
        )
    if salt != PUBLIC_SALT:
        raise ProtocolError("a season draws its splits by its salt; give a season or own splits, not both.")
    return own_salt(track.root, poisoner.sha256, poisoner.overrides)


def _flips(points: Sequence[data.Split], poisoned: Sequence[PoisonedLabels]) -> list[list[Flip]]:
    """The flips of every answer."""
    return [changed(p.labels, q.labels) for p, q in zip(points, poisoned, strict=True)]


def _only_stored(notify: OnProgress) -> OnProgress:
    """Reports as they come, but an error at the first one unless the store had the labels of all splits."""

    def tell(progress: Progress) -> None:
        if progress.stage == "poison" and progress.done < progress.total:
            raise UnavailableError(
                f"the store has the labels of {progress.done:g} of {progress.total} runs of {progress.note}, as this "
                "version of lnbench would make them in bubblewrap; `lnbench rows labels` makes the others."
            )
        notify(progress)

    return tell


def _replication(track: Track, quick: bool) -> tuple[int, int]:
    r = track.replication
    return (r.quick_splits, r.quick_seeds) if quick else (r.splits, r.seeds)
