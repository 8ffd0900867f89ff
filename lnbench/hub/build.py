"""A record's labels as the files of a dataset, one split in memory at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lnbench import data
from lnbench.board.figures import all_of
from lnbench.board.row import Row
from lnbench.board.tables import Table
from lnbench.errors import ProtocolError, RecordError
from lnbench.hub import card, croissant, flips, layout, manifest, parquet
from lnbench.hub.client import Entry
from lnbench.hub.licences import class_names
from lnbench.hub.manifest import Manifest
from lnbench.protocol import Streams, Track, applied, sha256
from lnbench.record.consistency import checks
from lnbench.record.record import Record

OnSplit = Callable[[int, int], None]


def salt_of(record: Record, salt: str | None) -> str:
    """The salt that drew a record's splits.

    Raises:
        ProtocolError: if it is not public and `salt` is not it.
    """
    streams = record.streams(salt)
    if streams is not None:
        return streams.salt
    raise ProtocolError(
        "the record's salt is not public, so its splits cannot be drawn; it is read from the seasons.toml of --board "
        "once its season is closed, or give it as --salt."
    )


def check_record(record: Record) -> None:
    """Raise RecordError unless a record is consistent and a poisoner made its labels."""
    if record.labels_only:
        raise RecordError(
            f"the record is of labels that are on the Hub already: {record.document['poisoner']['source'][:200]}."
        )
    if record.score["ci95_pp"] is None:
        raise RecordError("the record has no score with an interval, so there is nothing to publish.")
    failed = [check for check in checks(record) if check.passed is False]
    if failed:
        raise RecordError(f"the record does not hold ({failed[0].name}): {failed[0].sentence}")


def build(
    record: Record,
    folder: Path,
    repo: str,
    *,
    salt: str,
    images: bool,
    splits: list[int],
    extra: Mapping[str, Path] | None = None,
    on_split: OnSplit | None = None,
) -> Manifest:
    """Write every file of the dataset into a folder.

    Args:
        extra: more files to go with it, path in the repository -> file here.
        on_split: called with the number of splits written and in all.

    Raises:
        RecordError: if the record's labels are not those of its hashes on the base data.
        ProtocolError: if images were asked for and the inputs are not images.
    """
    streams, flipped = Streams(record.track.root, salt), list[flips.FlippedPoints]()

    def rows(split: int, points: data.Split) -> tuple[parquet.Rows, parquet.Rows]:
        train, test = _rows(record, split, points)
        flipped.append(flips.of_split(split, train))
        return train, test

    written = tables(folder, record.track, streams, splits, images, rows, on_split)
    names = class_names(record.track.data.source, record.track.data.classes)
    written += flips.write(folder, flips.joined(flipped), names, images)
    files = {path: stated(folder / path) for path in written}
    files |= {path: stated(file) for path, file in (extra or {}).items()}
    _write(folder / layout.FIGURE, _figure(record))
    files[layout.FIGURE] = stated(folder / layout.FIGURE)
    (folder / croissant.NAME).write_bytes(card.croissant(record, repo, files, images))
    files[croissant.NAME] = stated(folder / croissant.NAME)
    made = manifest.make(record, salt=salt, images=images, splits=splits, files=files)
    (folder / manifest.NAME).write_bytes(made.data)
    _write(folder / layout.CARD, card.render(record, made, repo))
    _check_as_pull_would(folder, made)
    return made


def tables(
    folder: Path,
    track: Track,
    streams: Streams,
    splits: list[int],
    images: bool,
    rows: Callable[[int, data.Split], tuple[parquet.Rows, parquet.Rows]],
    on_split: OnSplit | None = None,
    place: Callable[[str], str] = str,
) -> list[str]:
    """Write the tables of some splits of a track; their paths, relative to `folder`.

    Args:
        rows: training and test rows of a split.
        on_split: called with the number of splits written and in all.
        place: where in the folder a stem of `lnbench.hub.layout` lies.

    Raises:
        ProtocolError: if images were asked for and the inputs are not images.
    """
    fixed, written = data.fixed_test_set(track), list[str]()
    for number, split in enumerate(splits):
        points = data.load(track, split, streams)
        if images and not parquet.drawable(points.inputs.shape[1:], points.bounds):
            raise ProtocolError(f"the inputs of {track.name} are not images; publish it with --labels-only.")
        train, test = rows(split, points)
        written += parquet.write(folder, place(layout.train_stem(split)), train, images)
        if number == 0 or not fixed:
            written += parquet.write(folder, place(layout.test_stem(split, fixed)), test, images)
        del points, train, test  # before the next split is loaded: two would not fit
        if on_split is not None:
            on_split(number + 1, len(splits))
    return written


def _check_as_pull_would(folder: Path, made: Manifest) -> None:
    """Refuse to push what `pull` would refuse."""
    listed = [Entry(path, entry["bytes"], None, None) for path, entry in made.document["files"].items()]
    own = [Entry(path, (folder / path).stat().st_size, None, None) for path in (layout.CARD, manifest.NAME)]
    layout.check_tables(made, layout.check_listing([*listed, *own]))
    card.check((folder / layout.CARD).read_bytes(), made)


def _rows(record: Record, split: int, points: data.Split) -> tuple[parquet.Rows, parquet.Rows]:
    """Training and test rows of a split, with the labels that were scored."""
    labels = applied(points.labels, record.document["flips"]["poisoned"][split])
    if sha256(labels.astype("<i8").tobytes()) != record.document["labels_sha256"][split]:
        raise RecordError(
            f"the record's labels of split {split} are not those of its hash; `lnbench verify` says more."
        )
    return rows_of(record.track.data.source, record.track.data.classes, points, labels)


def rows_of(source: str, classes: int, points: data.Split, labels: np.ndarray) -> tuple[parquet.Rows, parquet.Rows]:
    """Training and test rows of a split with these training labels."""
    names, m = class_names(source, classes), len(points.test_labels)
    return (
        parquet.Rows(labels, points.labels, points.index, points.inputs, names, points.bounds),
        parquet.Rows(points.test_labels, points.test_labels, np.arange(m), points.test_inputs, names, points.bounds),
    )


def _figure(record: Record) -> str:
    slim = {name: value for name, value in record.document.items() if name != "victims"}
    row = Row(Record(slim, record.track), "", record.split_accuracies)
    table = Table(record.track, record.season, (row,))
    return all_of(table)[f"{table.id}-curves.svg"]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def stated(path: Path) -> dict[str, Any]:
    """Size and hash of a file, as the manifest has them."""
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            hashed.update(chunk)
    return {"bytes": path.stat().st_size, "sha256": hashed.hexdigest()}
