"""A stranger's card and tables against the base data. Runs in a worker process that may not grow without bound."""

from __future__ import annotations

import re
import resource
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lnbench import data
from lnbench.errors import RecordError, SubmissionError
from lnbench.hub import card, layout, manifest, parquet
from lnbench.hub.build import rows_of
from lnbench.hub.manifest import Manifest
from lnbench.poison.labels import judge
from lnbench.protocol import Flip, canonical_json, changed, sha256

ROOM = 4 << 30
"""Bytes of address space that checking may add; a file that unpacks to more is refused."""
_UNFIT = (ArithmeticError, LookupError, TypeError, ValueError)
"""What a data source raises for a track that it was never meant to serve."""


def check(job: Mapping[str, Any], report: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """`checked`, with this process's memory bounded; called by a worker with `folder` and `manifest`."""
    _bounded()
    try:
        return checked(Path(job["folder"]), manifest.parse(canonical_json(job["manifest"])), report)
    except MemoryError:
        raise RecordError("checking it takes more memory than a dataset of its size may.") from None


def checked(
    folder: Path, found: Manifest, report: Callable[[float], None] = lambda share: None
) -> dict[str, dict[str, list[Flip]]]:
    """The flips of every split of a downloaded dataset.

    Args:
        folder: where its files are.
        report: called now and then with the share that is done.

    Returns:
        `flips`: split -> [(index, old, new), …].

    Raises:
        RecordError: the first thing that is not as the manifest, the track or the base data say.
    """
    card.judge((folder / layout.CARD).read_bytes(), found)
    flips = {}
    for number, entry in enumerate(found.document["splits"]):
        flips[str(entry["split"])] = _split(folder, found, entry, first=number == 0)
        report((number + 1) / len(found.splits))
    return {"flips": flips}


def _split(folder: Path, found: Manifest, entry: Mapping[str, Any], *, first: bool) -> list[Flip]:
    split, track = entry["split"], found.track
    try:
        points, fixed = data.load(track, split, found.streams), data.fixed_test_set(track)
    except _UNFIT as error:
        raise RecordError(f"the data of its track cannot be drawn ({str(error)[:160]}).") from None
    train, test = rows_of(track.data.source, track.data.classes, points, points.labels)
    labels = parquet.read(folder, layout.tables_of(found, layout.train_stem(split)), train, found.images)
    if first or not fixed:
        stem = layout.test_stem(split, fixed)
        tested = parquet.read(folder, layout.tables_of(found, stem), test, found.images)
        if (tested != points.test_labels).any():
            raise RecordError(f"{stem}: it changes labels of test points.")
    try:
        judge(labels, layout.config(split), points.labels, track.data.classes, track.noise.budget, track.noise.pairs)
    except SubmissionError as error:
        raise RecordError(re.sub(r"; [^;]*$", ".", str(error))) from None
    if sha256(labels.astype("<i8").tobytes()) != entry["labels_sha256"]:
        raise RecordError(f"{layout.config(split)}: its labels are not those of the hash in {manifest.NAME}.")
    flips = changed(points.labels, labels)
    if len(flips) != entry["flips"]:
        raise RecordError(
            f"{layout.config(split)}: it has {len(flips)} flips, {manifest.NAME} states {entry['flips']}."
        )
    return flips


def _bounded() -> None:
    """Let this process take at most `ROOM` more address space than it has."""
    sizes = Path("/proc/self/statm")
    now = int(sizes.read_text().split()[0]) * resource.getpagesize() if sizes.exists() else 0
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = now + ROOM if hard == resource.RLIM_INFINITY else min(now + ROOM, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
