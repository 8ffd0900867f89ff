"""Many rows at once, on two machines: labels where a sandbox is, victims where a GPU is, records back.

All that travels is one folder, with a store in it and the records made of it. Both stages go row by row, take from the
store what is there, and say of every row what became of it, so each can be stopped and begun again.

Rows of a track that is not calibrated yet are made as if it were: its label and cell keys are those it has once its
file says so. `random_flip` goes first, and unless its record may calibrate the track the others are not trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lnbench import data, record
from lnbench.board import add as add_to_board
from lnbench.errors import LnbenchError, ProtocolError, RecordError
from lnbench.evaluation import calibration, campaign, nodes
from lnbench.evaluation.environment import environment
from lnbench.evaluation.progress import OnProgress, quietly
from lnbench.evaluation.store import Store
from lnbench.evaluation.units import Unit, reference_rows, submission_of
from lnbench.poison.run import Submission
from lnbench.protocol import Streams, Track
from lnbench.protocol import track as tracks
from lnbench.record.folder import records_in

__all__ = ["GPU_TRACKS", "RowResult", "add", "labels", "reference_rows", "submission_of", "train"]

GPU_TRACKS = ("mnist-5to6", "mnist-9to0", "mnist-cyclic", "cifar10-9to0", "cifar10-9to0-at")
"""The tracks whose victims take too long on a CPU, the quickest first."""


@dataclass(frozen=True)
class RowResult:
    """What one stage made of one row.

    Attributes:
        track: the track's name.
        row: as on the board, or None if it is about all rows of the track.
        path: its record; None if there is none (yet).
        error: what came in between, or None.
    """

    track: str
    row: str | None
    path: Path | None = None
    error: LnbenchError | None = None


def labels(
    names: Sequence[str],
    rows: Sequence[str],
    folder: Path,
    *,
    workers: int | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[RowResult]:
    """Make the labels of every row on every track, in bubblewrap, and put them into the folder's store.

    Args:
        names: tracks, by name or file.
        rows: as on the board.
        folder: holds `store/`; made if it is not there.

    Raises:
        ProtocolError: if there is no such track or attack.
    """

    def make_labels(track: Track, row: str, attack: Submission) -> tuple[None, None]:
        _one(track, row, attack, folder, "cpu", workers, on_progress, until=campaign.LABELS)
        return None, None

    return _each_row(names, rows, make_labels)


def train(
    names: Sequence[str],
    rows: Sequence[str],
    folder: Path,
    *,
    device: str = "cuda",
    workers: int | None = None,
    on_progress: OnProgress | None = None,
) -> Iterator[RowResult]:
    """Train the victims of every row whose labels the folder's store has, and write its record to `records/TRACK/`.

    Raises:
        ProtocolError: if there is no such track or attack.
        UnavailableError: if the device is not there.
    """

    def make_record(track: Track, row: str, attack: Submission) -> tuple[Path, str | None]:
        made = _one(track, row, attack, folder, device, workers, on_progress, sandbox="stored")
        if made is None:
            raise RuntimeError("a campaign that ends with records made none")
        path = folder / "records" / track.name / made.filename
        record.write(made, path)
        return path, _uncalibrated(made)

    environment(device)
    return _each_row(names, rows, make_record)


def add(folder: Path, board: Path) -> Iterator[RowResult]:
    """Copy the folder's records to a board's; those of rows that are there already are left out.

    Args:
        board: the folder with `records/` in it; what is made of them is built separately.

    Raises:
        ProtocolError: if the folder has no records.
        RecordError: if a file on the board is not a record.
    """
    made_here, records = records_in(folder / "records"), board / "records"
    if not made_here:
        raise ProtocolError(f"{folder} has no records/TRACK/*.json; `lnbench rows train` writes them.")
    there = {record.read(path).identity for path in records_in(records)}
    for path in made_here:
        name = path.parent.name
        try:
            made = record.read(path)
            if made.identity not in there:
                add_to_board([path], records)
        except RecordError as error:
            yield RowResult(name, path.name, error=error)
        else:
            yield RowResult(name, made.label, records / name / made.filename)


def _one(
    track: Track,
    row: str,
    attack: Submission,
    folder: Path,
    device: str,
    workers: int | None,
    on_progress: OnProgress | None,
    *,
    sandbox: str = "auto",
    until: str = campaign.RECORDS,
) -> record.Record | None:
    """A campaign of one row, on the folder's store; raises what came in between."""
    pool, store = nodes.engine("local", workers, device), Store(folder / "store")
    units, told = [Unit(row, attack, track)], on_progress or quietly
    given = campaign.Campaign(
        units, pool, store, device=device, workers=workers, sandbox=sandbox, until=until, on_progress=told
    )
    (result,) = given.run()
    if result.error is not None:
        raise result.error
    return result.record


def _each_row(
    names: Sequence[str], rows: Sequence[str], stage: Callable[[Track, str, Submission], tuple[Path | None, str | None]]
) -> Iterator[RowResult]:
    """What a stage makes of every row on every track.

    Args:
        stage: gives the record's path, if there is one, and why the track's other rows are not worth making, if so.
    """
    attacks = [(row, submission_of(row)) for row in sorted(rows, key=lambda row: row != calibration.POISONER)]
    for shipped in [tracks.load(name) for name in names]:
        track = calibration.calibrated(shipped)
        try:
            data.load(track, 0, Streams(track.root))
        except LnbenchError as error:
            yield RowResult(track.name, None, error=error)
            continue
        for row, attack in attacks:
            try:
                path, stop = stage(track, row, attack)
            except LnbenchError as error:
                yield RowResult(track.name, row, error=error)
                continue
            yield RowResult(track.name, row, path)
            if stop and not shipped.calibrated:
                yield RowResult(track.name, None, error=RecordError(stop))
                break


def _uncalibrated(made: record.Record) -> str | None:
    """Why a track cannot rank anything as it is, by the record of the poisoner that calibrates tracks."""
    if made.label != calibration.POISONER:
        return None
    faults = calibration.faults(made.track, calibration.calibrate(made))
    return f"it cannot be calibrated as it is, so its other rows are left out. {' '.join(faults)}" if faults else None
