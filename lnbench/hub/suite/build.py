"""The suite as a folder: the best row of every calibrated track, from the board's records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lnbench import board, data
from lnbench import record as records
from lnbench.errors import ProtocolError, RecordError
from lnbench.evaluation.progress import OnProgress, Progress, quietly
from lnbench.hub import build as builds
from lnbench.hub import croissant, folders, parquet
from lnbench.hub import layout as layouts
from lnbench.hub.address import Address
from lnbench.hub.client import Entry
from lnbench.hub.licences import licence
from lnbench.hub.pulling import check_hashes
from lnbench.hub.suite import card, contents, layout, manifest, pulling, tables, victims
from lnbench.hub.suite.manifest import SuiteManifest
from lnbench.protocol import Streams, canonical_json
from lnbench.protocol import track as tracks
from lnbench.record.record import Record

Tell = Callable[[str], None]


def build(
    records_dir: Path,
    folder: Path,
    repo: str,
    *,
    only: Sequence[str] = (),
    victim_splits: int | None = None,
    images: bool | None = None,
    device: str = "cpu",
    workers: int | None = None,
    notify: OnProgress = quietly,
    tell: Tell = lambda sentence: None,
) -> SuiteManifest:
    """Write the suite's files into a folder; what an earlier build of it left there is used or removed.

    Args:
        records_dir: the board's folder of records.
        repo: where it will be published, `user/name`.
        only: these tracks; all calibrated ones with a row if empty.
        victim_splits: of how many splits of each track to keep victims; of all if None.
        images: include the images; None means where the licence of the base data is known to allow it.
        tell: called with a sentence on every track that is left out.

    Raises:
        ProtocolError: if there is no such track, or the folder holds something else.
        RecordError: if a record does not hold, or there is none to build from.
        UnavailableError, DataError: if a device, the data or room on the disk is missing.
    """
    address = Address.parse(repo)
    parquet.need()
    folders.check(folder, layout.ours, "a suite")
    chosen = best_records(records_dir, only, tell)
    shown = {made.track.name: licence(made.track.data.source).images if images is None else images for made in chosen}
    written, trained = list[str](), dict[str, int]()
    for made in chosen:
        name = made.track.name
        written += _tables(made, folder, shown[name], notify)
        wanted = made.replication.splits if victim_splits is None else min(victim_splits, made.replication.splits)
        place, trained[name] = folder / layout.victims_folder(name), 0
        if wanted:
            streams = Streams(made.track.root)
            trained[name] = victims.build(
                made, streams, place, splits=wanted, device=device, workers=workers, notify=notify
            )
            written += [f"{layout.victims_folder(name)}/{path}" for path in folders.files_of(place)]
    files = {path: builds.stated(folder / path) for path in sorted(written)}
    folders.write(folder, croissant.NAME, card.croissant_file(address, chosen, shown, files))
    files[croissant.NAME] = builds.stated(folder / croissant.NAME)
    stated = manifest.make(chosen, shown, trained, files)
    folders.write(folder, layouts.CARD, card.render(address, chosen, stated).encode())
    folders.write(folder, manifest.NAME, stated.data)
    folders.keep_only(folder, {*files, layouts.CARD, manifest.NAME})
    check_as_pull_would(folder)
    return stated


def best_records(records_dir: Path, only: Sequence[str], tell: Tell) -> list[Record]:
    """The record of the first row of every calibrated track's table, by the public salt.

    Raises:
        ProtocolError: if a track that was asked for does not ship or is not calibrated.
        RecordError: if a record does not hold, or no track has a row.
    """
    known = {name: track for name in tracks.names() if (track := tracks.load(name)).calibrated}
    for name in only:
        if name not in known:
            raise ProtocolError(f"there is no calibrated track {name[:60]!r}; there are: {', '.join(known)}.")
    first = {table.track.name: table.rows[0] for table in board.load(records_dir).tables if table.season is None}
    chosen = []
    for name in only or known:
        if name not in first:
            tell(f"{name} is left out: the board has no row of it by the public salt.")
            continue
        made = records.read(records_dir / first[name].path)
        builds.check_record(made)
        chosen.append(made)
    if not chosen:
        raise RecordError(f"{records_dir} has no row of a calibrated track to build a suite from.")
    return chosen


def _tables(made: Record, folder: Path, images: bool, notify: OnProgress) -> list[str]:
    """Write a track's record and tables; their paths."""
    name, path = made.track.name, layout.record_path(made.track.name)
    folders.write(folder, path, canonical_json(made.document))

    def rows(split: int, points: data.Split) -> tuple[parquet.Rows, parquet.Rows]:
        return tables.rows(made, split, points)

    def on_split(done: int, total: int) -> None:
        notify(Progress("tables", done, total, 0, None, name))

    splits = list(range(made.replication.splits))
    return [
        path,
        *builds.tables(
            folder,
            made.track,
            Streams(made.track.root),
            splits,
            images,
            rows,
            on_split,
            lambda stem: layouts.of_track(name, stem),
        ),
    ]


def check_as_pull_would(folder: Path) -> SuiteManifest:
    """The manifest of a suite in a folder; refused is what `pull` would refuse before it compares tables.

    Raises:
        RecordError: in one sentence, if it is not a suite that can be published.
    """
    listed = [Entry(path, (folder / path).stat().st_size, None, None) for path in folders.files_of(folder)]
    entries = pulling.check_listing(listed)
    stated = manifest.parse((folder / manifest.NAME).read_bytes())
    layouts.check_stated(stated.files, entries, manifest.NAME)
    check_hashes(folder, stated.files, list(stated.files), manifest.NAME)
    for track in stated.tracks.values():
        pulling.check_record(stated, contents.read_record(folder, track), entries)
    return stated
