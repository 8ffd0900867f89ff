"""A stranger's card and tables against the base data. Runs in a worker process that may not grow without bound."""

from __future__ import annotations

import dataclasses
import os
import re
import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lnbench import data
from lnbench.errors import ProtocolError, RecordError, SubmissionError
from lnbench.hub import card, flips, layout, manifest, parquet
from lnbench.hub.build import rows_of
from lnbench.hub.licences import class_names
from lnbench.hub.manifest import Manifest
from lnbench.poison.labels import check_labels
from lnbench.protocol import Flip, Streams, Track, canonical_json, changed, sha256

ROOM = 1 << 30
"""Bytes of memory that reading a stranger's card or one split's tables may add to what this process has."""
_UNFIT = (ArithmeticError, LookupError, ProtocolError, TypeError, ValueError)
"""What a data source raises for a track that it was never meant to serve."""


def check(job: Mapping[str, Any], report: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """`checked` for a worker, called with `folder` and `manifest`."""
    # Arrow's own allocator takes memory a gibibyte at a time; the system's is asked for what is needed.
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    return checked(Path(job["folder"]), manifest.parse(canonical_json(job["manifest"])), report)


def checked(
    folder: Path, stated: Manifest, report: Callable[[float], None] = lambda share: None
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
    with bounded():
        card.check((folder / layout.CARD).read_bytes(), stated)
    made, points = {}, []
    for number, entry in enumerate(stated.document["splits"]):
        made[str(entry["split"])], flipped = _split(folder, stated, entry, first=number == 0)
        points.append(flipped)
        report((number + 1) / len(stated.splits))
    if flips.PATH in stated.document["files"]:
        names = class_names(stated.track.data.source, stated.track.data.classes)
        with bounded():
            flips.check(folder, flips.joined(points), names, stated.images)
    return {"flips": made}


def _split(
    folder: Path, stated: Manifest, entry: Mapping[str, Any], *, first: bool
) -> tuple[list[Flip], flips.FlippedPoints]:
    """A split's flips, and the same points as rows of the table of flips."""
    split, track = entry["split"], stated.track
    points, fixed = points_of(track, stated.streams, split, stated.images), data.fixed_test_set(track)
    files = stated.document["files"]
    train, test = rows_of(track.data.source, track.data.classes, points, points.labels)
    with bounded():
        labels = parquet.read(folder, layout.tables_of(files, layout.train_stem(split)), train, stated.images)
        if first or not fixed:
            stem = layout.test_stem(split, fixed)
            tested = parquet.read(folder, layout.tables_of(files, stem), test, stated.images)
            if (tested != points.test_labels).any():
                raise RecordError(f"{stem}: it changes labels of test points.")
    try:
        check_labels(
            labels, layout.config(split), points.labels, track.data.classes, track.noise.budget, track.pairs(split)
        )
    except SubmissionError as error:
        raise RecordError(re.sub(r"; [^;]*$", ".", str(error))) from None
    if sha256(labels.astype("<i8").tobytes()) != entry["labels_sha256"]:
        raise RecordError(f"{layout.config(split)}: its labels are not those of the hash in {manifest.NAME}.")
    made = changed(points.labels, labels)
    if len(made) != entry["flips"]:
        raise RecordError(f"{layout.config(split)}: it has {len(made)} flips, {manifest.NAME} states {entry['flips']}.")
    return made, flips.of_split(split, dataclasses.replace(train, labels=labels))


def points_of(track: Track, streams: Streams, split: int, images: bool) -> data.Split:
    """A split's base data, with images as bytes if they are to be compared, and without them if not.

    Raises:
        RecordError: if a stranger's track does not fit its data.
    """
    try:
        points = data.load_bytes(track, split, streams)
        if points is None:
            points = data.load(track, split, streams)
            if images:
                inputs, tests = parquet.as_bytes(points.inputs), parquet.as_bytes(points.test_inputs)
                return dataclasses.replace(points, inputs=inputs, test_inputs=tests)
    except _UNFIT as error:
        raise RecordError(f"the data of its track cannot be drawn ({str(error)[:160]}).") from None
    if images:
        return points
    nothing = [np.empty((len(labels), 0), np.uint8) for labels in (points.labels, points.test_labels)]
    return dataclasses.replace(points, inputs=nothing[0], test_inputs=nothing[1])


@contextmanager
def bounded(room: int = ROOM) -> Iterator[None]:
    """Let this process take at most `room` bytes more than it has while the block runs.

    Counted is what it may write to: its heap, arrays and buffers, but not the code of the libraries it imports. So the
    base data, which is ours, is loaded before, outside.

    Raises:
        RecordError: if the block needs more.
    """
    sizes = Path("/proc/self/status")
    taken = re.search(r"^VmData:\s+(\d+) kB$", sizes.read_text(), re.MULTILINE) if sizes.exists() else None
    before, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = (int(taken[1]) << 10 if taken else 0) + room
    known = [limit for limit in (before, hard, most) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(known), hard))
    try:
        yield
    except MemoryError:
        raise RecordError(f"checking it takes more than {room >> 20} MiB of memory; no more is read.") from None
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, hard))
