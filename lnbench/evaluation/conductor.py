"""The conductor: poison every split, train every arm's victims, attack them, score, record.

The only module that knows the order of the stages. The parent process trains nothing and never sees the submission's
code as code; everything it computes is kept in the store as it arrives, so a killed run resumes.
"""

from __future__ import annotations

import datetime
import os
import platform
import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnbench import __version__, data, record
from lnbench.errors import ProtocolError, UnavailableError
from lnbench.evaluation import plan, saved_victims
from lnbench.evaluation.code_hash import code_sha256
from lnbench.evaluation.engine import engine as make_engine
from lnbench.evaluation.environment import environment
from lnbench.evaluation.progress import OnProgress, Progress, quietly
from lnbench.evaluation.stages import poison_all, poison_split, train_all
from lnbench.evaluation.store import Store
from lnbench.poison import diagnosis
from lnbench.poison import sandbox as sandboxes
from lnbench.poison.published import Published
from lnbench.poison.run import PoisonedLabels, Submission
from lnbench.protocol import PUBLIC_SALT, Flip, Streams, Track, changed, sha256
from lnbench.record.record import Record
from lnbench.record.thumbnails import thumbnails

__all__ = ["Checked", "Progress", "check", "cores", "evaluate", "find_submission", "keep_labels", "resolved_sandbox"]


@dataclass(frozen=True)
class Checked:
    """What `check` found on one split.

    Attributes:
        split: its index.
        flips: the flips of the first of two runs.
        trainings: victims the poisoner says it trained.
        seconds: wall clock of the first run.
        deterministic: whether the second run flipped the same.
        sandbox: the mode both ran in.
    """

    split: int
    flips: list[Flip]
    trainings: int
    seconds: float
    deterministic: bool
    sandbox: str


def evaluate(
    submission: Submission | Published,
    track: Track,
    *,
    quick: bool = False,
    device: str = "cpu",
    workers: int | None = None,
    engine: str = "local",
    sandbox: str = "auto",
    stored_labels: bool = False,
    salt: str = PUBLIC_SALT,
    season: str | None = None,
    store: Store | None = None,
    keep_victims: Path | None = None,
    on_progress: OnProgress | None = None,
) -> Record:
    """Score a submission on a track.

    Args:
        submission: the poisoner's file, read but not run; or published labels, which stand in for one, unranked.
        quick: the track's smaller replication; such a record cannot rank.
        device: `cpu`, `cuda` or `auto`, where victims are trained.
        workers: processes at once; as many as there are cores (GPUs) if None.
        sandbox: `auto` is bubblewrap, or an error; `none` runs the submission unprotected, unranked.
        stored_labels: run no submission: take the labels that `keep_labels` put into the store, here or elsewhere.
        salt: seasons salt splits and seeds; any salt but the public one needs a season to rank.
        store: where results are kept; the default store if None.
        keep_victims: a folder for all victims as safetensors, which takes training each of them again.
        on_progress: called as work advances.

    Raises:
        SubmissionError: if the submission breaks the contract, on any split.
        ProtocolError: if a parameter, device or engine does not exist.
        DataError, UnavailableError: if data, a sandbox, a device or stored labels are missing here.
    """
    started, clock = datetime.datetime.now(datetime.UTC), time.monotonic()
    device = _resolved_device(device)
    store = store or Store()
    if isinstance(submission, Published):
        mode = "none"
    else:
        mode = sandboxes.BUBBLEWRAP if stored_labels else resolved_sandbox(sandbox)
    workers = workers or (cores() if device == "cpu" else 1)
    notify = on_progress or quietly
    where = environment(device, track)
    streams = Streams(track.sha256, salt)
    splits, seeds = _replication(track, quick)
    points = [data.load(track, split, streams) for split in range(splits)]

    if isinstance(submission, Published):
        poisoned, same = submission.poisoned(track, [p.labels for p in points]), True
    else:
        ask = _only_stored(notify) if stored_labels else notify
        rest, apart = (points, streams, mode, workers, store, ask), season is not None
        poisoned, same = poison_all(submission, track, *rest, twice=not quick, apart=apart)
    made = [changed(p.labels, q.labels) for p, q in zip(points, poisoned, strict=True)]
    flips = plan.flips_of_arms(track, [p.labels for p in points], made, streams, seeds)
    cells = plan.plan(track, streams, device, splits, seeds, flips)
    names = [plan.cell_name(track, streams, where["id"], cell, arm, points) for arm, cell in cells]
    results = train_all([cell for _, cell in cells], names, make_engine(engine, workers), store, notify)

    in_parts = any(result["in_parts"] for result in results)
    found = record.assemble(
        track=track,
        streams_commitment=streams.commitment,
        salt=salt if salt == PUBLIC_SALT else None,
        season=season,
        quick=quick,
        splits=splits,
        seeds=seeds,
        poisoner=_poisoner_block(submission, poisoned[0]),
        flips=flips,
        labels_sha256=[sha256(p.labels.astype("<i8").tobytes()) for p in poisoned],
        trainings=[p.trainings for p in poisoned],
        victims=plan.merged(cells, results),
        thumbnails=thumbnails(points, flips["poisoned"]) if data.pictures(track) else None,
        environment=where,
        code_sha256=code_sha256(track),
        sandbox=mode,
        fixed_test_set=data.fixed_test_set(track),
        flags=[flag for flag, raised in (("non-deterministic", not same), ("split-block", in_parts)) if raised],
        run={
            "started": started.replace(microsecond=0).isoformat().replace("+00:00", "Z"),
            "seconds": round(time.monotonic() - clock, 1),
            "poison_seconds": [round(p.seconds, 2) for p in poisoned],
            "device": device,
            "cpu": f"{where['parts'].get('cpu') or platform.machine()}, {cores()} cores",
            "version": __version__,
            "commit": _commit(),
            "command": _command(submission, track, quick, season),
            "engine": engine,
            "workers": workers,
        },
    )
    if keep_victims is not None:
        saved_victims.keep(
            [cell for _, cell in cells], names, results, keep_victims, make_engine(engine, workers), notify
        )
        saved_victims.write_card(found, keep_victims)
    return found


def keep_labels(
    submission: Submission,
    track: Track,
    *,
    workers: int | None = None,
    store: Store | None = None,
    on_progress: OnProgress | None = None,
) -> None:
    """Poison every split and keep the labels, so that the store can go where the victims are trained.

    Those of a full evaluation with the public salt, and of the run that asks whether they come out the same twice.

    Raises:
        SubmissionError: if the submission breaks the contract, on any split.
        DataError, UnavailableError: if data or bubblewrap is missing here.
    """
    mode, store, streams = resolved_sandbox("auto"), store or Store(), Streams(track.sha256)
    points = [data.load(track, split, streams) for split in range(track.replication.splits)]
    tell = on_progress or quietly
    poison_all(submission, track, points, streams, mode, workers or cores(), store, tell, twice=True)


def check(submission: Submission, track: Track, *, sandbox: str = "auto", splits: int = 1) -> list[Checked]:
    """Poison the first splits twice each, judge the labels, train nothing.

    Raises:
        SubmissionError: if the submission breaks the contract.
    """
    mode, streams = resolved_sandbox(sandbox), Streams(track.sha256)
    found = []
    for split in range(splits):
        points = data.load(track, split, streams)
        twice = [poison_split(submission, track, points, streams, split, mode) for _ in range(2)]
        flips = [changed(points.labels, p.labels) for p in twice]
        found.append(
            Checked(split, flips[0], twice[0].trainings, twice[0].seconds, flips[0] == flips[1], twice[0].sandbox)
        )
    return found


def find_submission(name: str) -> Path:
    """The file behind a name: a path as it is, or the stem of a bundled attack or template.

    Raises:
        ProtocolError: if there is no such file or name.
    """
    path = Path(name)
    if path.suffix or path.exists() or len(path.parts) > 1:
        if not os.path.lexists(path):
            raise ProtocolError(
                f"there is no file {name}; give a path to a submission, or one of: {', '.join(_bundled())}."
            )
        return path
    bundled = _bundled()
    if name not in bundled:
        raise ProtocolError(f"there is no file or bundled attack called {name!r}; there are: {', '.join(bundled)}.")
    return bundled[name]


def resolved_sandbox(wish: str) -> str:
    """The sandbox mode that will be used: `none` for that wish alone, never because the sandbox does not work.

    Raises:
        UnavailableError: if no sandbox works here, with what would get one.
    """
    if wish == "none":
        return "none"
    mode = diagnosis.mode()
    if mode == "none":
        found = diagnosis.diagnose()
        advice = f" Try this: {'; '.join(found.remedies)}." if found.remedies else ""
        raise UnavailableError(
            f"a submission runs in a sandbox, and none works here: {found.reason}{advice} With --unsafe-no-sandbox "
            "your own file runs without one, with all your rights, and is not ranked."
        )
    return mode


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


def _poisoner_block(submission: Submission | Published, poisoned: PoisonedLabels) -> dict[str, Any]:
    return {
        "name": submission.name,
        "parameters": dict(poisoned.overrides),
        "description": poisoned.description,
        "author": poisoned.author,
        "paper": poisoned.paper,
        "license": poisoned.license,
        "source": submission.source,
        "sha256": submission.sha256,
    }


def _bundled() -> dict[str, Path]:
    """Stem -> file of every bundled attack and template."""
    package = Path(__file__).parents[1]
    folders = [
        package / "_attacks",
        package / "_submissions",
        package.parent / "attacks",
        package.parent / "submissions",
    ]
    if override := os.environ.get("LNBENCH_ATTACKS"):
        folders.append(Path(override))
    return {p.stem: p for folder in folders for p in sorted(folder.glob("*.py")) if not p.name.startswith("_")}


def _resolved_device(device: str) -> str:
    if device in ("cpu", "cuda"):
        return device
    if device != "auto":
        raise ProtocolError(f"the device is cpu, cuda or auto; got {device!r}.")
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _commit() -> str | None:
    """The commit of the checkout this runs from, with `+` when it has changes, or None."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    try:
        git = ["git", "-C", str(root)]
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        dirty = subprocess.run([*git, "status", "--porcelain", "--", "lnbench"], capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if dirty.strip() else "")


def _command(submission: Submission | Published, track: Track, quick: bool, season: str | None) -> str:
    """The command line that makes this record again, without anything about this machine."""
    options = ["--track", track.name, *(["--quick"] if quick else [])]
    options += ["--season", season] if season else []
    if isinstance(submission, Published):
        return shlex.join(["lnbench", "evaluate", submission.source, *options])
    settings = [f"--set={k}={v}" for k, v in sorted(submission.parameters.items())]
    return shlex.join(["lnbench", "evaluate", submission.name, *options, *settings])
