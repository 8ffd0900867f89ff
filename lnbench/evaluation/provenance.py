"""What a record says of its poisoner and of its run: where the labels and the numbers came from."""

from __future__ import annotations

import datetime
import platform
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lnbench import __version__
from lnbench.evaluation.machine import cores
from lnbench.poison.in_process import InProcess
from lnbench.poison.published import Published
from lnbench.poison.run import PoisonedLabels, Submission
from lnbench.protocol import Track


class Clock:
    """When a run began, and how long it has taken."""

    def __init__(self) -> None:
        self._started, self._begin = datetime.datetime.now(datetime.UTC), time.monotonic()

    @property
    def started(self) -> str:
        """ISO 8601, to the second."""
        return self._started.replace(microsecond=0).isoformat().replace("+00:00", "Z")

    @property
    def seconds(self) -> float:
        """Seconds since then, to a tenth."""
        return round(time.monotonic() - self._begin, 1)


def poisoner_block(poisoner: Submission | Published | InProcess, poisoned: PoisonedLabels) -> dict[str, Any]:
    """The record's `poisoner` block."""
    return {
        "name": poisoner.name,
        "parameters": dict(poisoned.overrides),
        "description": poisoned.description,
        "author": poisoned.author,
        "paper": poisoned.paper,
        "license": poisoned.license,
        "source": poisoner.source,
        "sha256": poisoner.sha256,
    }


def run_block(
    clock: Clock,
    seconds: Sequence[float],
    environment: Mapping[str, Any],
    *,
    device: str,
    engine: str,
    workers: int | None,
    command: str | None,
) -> dict[str, Any]:
    """The record's `run` block: when, where and how long, all of it outside the hash.

    Args:
        seconds: that each split, or set of labels, took in the sandbox.
        environment: as `lnbench.evaluation.environment.environment` gives it.
        command: the command line that makes the record again, or None.
    """
    return {
        "started": clock.started,
        "seconds": clock.seconds,
        "poison_seconds": [round(some, 2) for some in seconds],
        "device": device,
        "cpu": f"{environment['parts'].get('cpu') or platform.machine()}, {cores()} cores",
        "version": __version__,
        "commit": _commit(),
        "command": command,
        "engine": engine,
        "workers": workers,
    }


def command(
    poisoner: Submission | Published | InProcess,
    track: Track,
    *,
    quick: bool,
    season: str | None,
    own_splits: bool = False,
) -> str | None:
    """The command line that makes a record again, without anything about this machine; None if there is none."""
    options = ["--track", track.name, *(["--quick"] if quick else [])]
    options += ["--season", season] if season else ["--own-splits"] if own_splits else []
    if isinstance(poisoner, InProcess):
        return None
    if isinstance(poisoner, Published) and poisoner.source.startswith("hf://"):
        return shlex.join(["lnbench", "evaluate", poisoner.source, *options])
    settings = [f"--set={k}={v}" for k, v in sorted(poisoner.parameters.items())]
    return shlex.join(["lnbench", "evaluate", poisoner.name, *options, *settings])


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
