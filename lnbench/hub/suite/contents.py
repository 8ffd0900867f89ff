"""A stranger's suite against the base data, one track at a time. Runs in a worker process of bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lnbench import data, record
from lnbench.errors import RecordError
from lnbench.hub import layout as layouts
from lnbench.hub import parquet
from lnbench.hub.contents import bounded, points_of
from lnbench.hub.suite import layout, manifest
from lnbench.hub.suite.manifest import SuiteManifest, SuiteTrack
from lnbench.hub.suite.tables import rows
from lnbench.protocol import canonical_json
from lnbench.record import against_data
from lnbench.record.consistency import checks
from lnbench.record.record import Record


def check(job: Mapping[str, Any], report: Callable[[float], None] = lambda share: None) -> dict[str, Any]:
    """`checked` for a worker, called with `folder`, `manifest` and `track`."""
    # Arrow's own allocator takes memory a gibibyte at a time; the system's is asked for what is needed.
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    stated = manifest.parse(canonical_json(job["manifest"]))
    checked(Path(job["folder"]), stated, stated.tracks[job["track"]], report)
    return {"track": job["track"]}


def checked(
    folder: Path, stated: SuiteManifest, track: SuiteTrack, report: Callable[[float], None] = lambda share: None
) -> None:
    """Compare a track's record with its own bits and with the base data, and its tables with both.

    Args:
        folder: where its files are.
        report: called now and then with the share that is done.

    Raises:
        RecordError: the first thing that is not as it should be.
    """
    with bounded():
        made = read_record(folder, track)
        failed = [one for one in checks(made) if one.passed is False]
    streams = made.streams()
    if streams is None:
        raise RecordError(f"{track.name}: the splits of its record are not those of the public salt.")
    failed += [one for one in against_data.checks(made, streams) if not one.passed]
    if failed:
        raise RecordError(f"{track.name}: its record does not hold ({failed[0].name}): {failed[0].sentence}")
    fixed = data.fixed_test_set(made.track)
    for split in range(track.splits):
        train, test = rows(made, split, points_of(made.track, streams, split, track.images))
        with bounded():
            _same(folder, stated, layouts.of_track(track.name, layouts.train_stem(split)), train, track.images)
            if split == 0 or not fixed:
                _same(folder, stated, layouts.of_track(track.name, layouts.test_stem(split, fixed)), test, track.images)
        report((split + 1) / track.splits)


def read_record(folder: Path, track: SuiteTrack) -> Record:
    """The record of a track.

    Raises:
        RecordError: if it is not a record, or not the one that the manifest names.
    """
    path = layout.record_path(track.name)
    try:
        made = record.parse((folder / path).read_bytes())
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from None
    if (made.sha256, made.track.name, made.track.sha256) != (track.record, track.name, track.sha256):
        raise RecordError(f"{path}: it is not the record that {manifest.NAME} names.")
    if made.replication.splits != track.splits:
        raise RecordError(f"{path}: it has {made.replication.splits} splits, {manifest.NAME} states {track.splits}.")
    return made


def _same(folder: Path, stated: SuiteManifest, stem: str, expected: parquet.Rows, images: bool) -> None:
    labels = parquet.read(folder, layouts.tables_of(stated.files, stem), expected, images)
    if (labels != expected.labels).any():
        raise RecordError(f"{stem}: its labels are not those of its record.")
