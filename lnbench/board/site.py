"""Writing the board, comparing it with the records, and letting records in."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from lnbench.board import admission, exchange, export, figures, forest, markdown, page, readme, tables
from lnbench.board.admission import DataCheck, Entries, Entry, Tell
from lnbench.errors import ProtocolError, RecordError, UnavailableError
from lnbench.files import write_atomically
from lnbench.protocol import sha256
from lnbench.protocol import track as tracks
from lnbench.protocol.track import DEFAULT
from lnbench.record.consistency import checks
from lnbench.record.folder import records_in
from lnbench.record.record import Record, read, write
from lnbench.text import plain

_FIGURES = "figures"
_FRONT = "../README.md"
"""The page of the repository that the board is in, where it has a place for the first rows."""


def build(records_dir: str | Path, out_dir: str | Path) -> list[Path]:
    """Write the board of all records in a folder; returns the files that changed, in order.

    Raises:
        RecordError: naming the first file that is not a record or may not be on the board; nothing is written then.
        UnavailableError: if the place cannot be written.
    """
    out = Path(out_dir)
    try:
        files = _render(Path(records_dir), out)
    except (ArithmeticError, LookupError, TypeError, ValueError):  # a block that does not follow from the bits
        for path in records_in(Path(records_dir)):
            with _about(path):
                _consistent(read(path))
        raise
    if (out / _FIGURES).is_symlink():
        raise RecordError(f"{out / _FIGURES} is a link; expected a folder, whose figures are written and removed.")
    changed = {_place(out, name): name for name in _drifted(out, files)}
    try:
        for path, name in changed.items():
            if name in files:
                write_atomically(path, files[name], parents=True)
            else:
                path.unlink()
    except OSError as error:
        raise UnavailableError(f"the board cannot be written to {out}: {error.strerror}.") from None
    return list(changed)


def check(records_dir: str | Path, out_dir: str | Path, *, tell: Tell | None = None) -> list[Path]:
    """The files of the board that are not what the records say: altered, missing or left over.

    Unlike `build` this derives every record anew from its own bits, compares it with the other rows, and, where the
    data is here and the salt is known, with the data, so that a forged one cannot be committed unnoticed.

    Args:
        tell: called with a sentence on records that could not be compared with the data.

    Raises:
        RecordError: naming the first file that is not a record, contradicts itself, the other rows or the data, or may
            not be on the board.
    """
    folder, out = Path(records_dir), Path(out_dir)
    known, today = tables.read_seasons(folder), _today()
    shipped = {tracks.load(name).sha256 for name in tracks.names()}
    rows, waiting = list[Entry](), DataCheck(known)
    for path in records_in(folder):
        record = read(path)
        with _about(path):
            _consistent(record)
            admission.check_track(record)
            admission.check_date(record, today)
            if record.track.sha256 in shipped:
                admission.check_file(record, out.resolve().parent)
                admission.check_parameters(record)
        rows.append(Entry.of(record, path))
        waiting.add(record, path)
    files = _render(folder, out)
    waiting.run(tell or _silently)
    _compared(rows)
    return [_place(out, name) for name in _drifted(out, files)]


def add(
    paths: Sequence[str | Path],
    records_dir: str | Path,
    *,
    submissions: str | Path | None = None,
    tell: Tell | None = None,
) -> list[Path]:
    """Copy records into the folder of records as `<track>/<name>-<sha8>.json`, all or none. The board is built apart.

    Where a run that was killed has written some of them, the same call again writes the rest.

    Args:
        submissions: a folder of files, in one of which each record's source must stand, byte for byte.
        tell: called with a sentence on records that could not be compared with the data.

    Returns:
        where they are now.

    Raises:
        RecordError: if one of them is not a record, contradicts itself, the board's rows or the data, is not ranked, is
            of another version of its track or of none that ships, is of none of the submissions, has the name of
            another file of the repository, or is already there; if the board cannot be built without them either.
        UnavailableError: if the place cannot be written.
    """
    folder, today = Path(records_dir), _today()
    known, root = tables.read_seasons(folder), folder.resolve().parent.parent
    rows, waiting, records = list[Entry](), DataCheck(known), list[Record]()
    for path in map(Path, paths):
        record = read(path)
        with _about(path):
            _consistent(record)
            if submissions is not None:
                _submitted(record, Path(submissions))
            tables.admissible(record, known)
            _current(record)
            admission.check_date(record, today)
            admission.check_file(record, root)
            admission.check_parameters(record)
        rows.append(Entry.of(record, path))
        waiting.add(record, path)
        records.append(record)
    waiting.run(tell or _silently)
    tables.load(folder)  # a board that cannot be built is mended before anything comes onto it
    there = {found.resolve() for record in records if (found := _same(record, folder)) is not None}
    if len(there) == len(records):
        there = set()  # nothing is left to write: the first is refused below
    _compared([*(Entry.of(read(p), p) for p in records_in(folder) if p.resolve() not in there), *rows])
    return _written(records, folder, there)


def season_rows(records_dir: str | Path, name: str, salt: str) -> list[str]:
    """Hashes of the rows of a season that is to be closed, each compared with the data.

    Args:
        salt: the season's.

    Raises:
        RecordError: naming the first record that may not be on the board, or is not what the data says.
        DataError: if the data of one of them is missing here.
    """
    folder = Path(records_dir)
    known = tables.read_seasons(folder)
    tables.load(folder)
    waiting, hashes = DataCheck(known, {name: salt}), list[str]()
    for path in records_in(folder):
        record = read(path)
        if record.season == name:
            with _about(path):
                _consistent(record)
            waiting.add(record, path)
            hashes.append(record.sha256)
    waiting.run()
    return hashes


def _compared(rows: Sequence[Entry]) -> None:
    """Raise RecordError, naming the later one, if two rows cannot both be on a board."""
    entries = Entries()
    for entry in rows:
        with _about(entry.path):
            entries.add(entry)


def _same(record: Record, folder: Path) -> Path | None:
    """Where a record lies in the folder already, as it is; None if it does not."""
    target = folder / record.track.name / record.filename
    return target if target.is_file() and read(target).sha256 == record.sha256 else None


def _written(records: Sequence[Record], folder: Path, there: Collection[Path]) -> list[Path]:
    """Write records into their folders but those that are there; if one fails, what was written is removed again."""
    targets, written = list[Path](), list[Path]()
    try:
        for record in records:
            target = folder / record.track.name / record.filename
            targets.append(target)
            if target.resolve() in there:
                continue
            if target.exists():
                raise RecordError(f"{target}: another record lies there under this one's name; remove or rename it.")
            write(record, target)
            written.append(target)
    except (UnavailableError, RecordError):
        for target in written:
            target.unlink(missing_ok=True)
        raise
    return targets


def _current(record: Record) -> None:
    """Raise RecordError unless the record's track ships with this lnbench, as it is."""
    own = record.track
    try:
        shipped = tracks.load(own.name)
    except ProtocolError:
        raise RecordError(f"no track called {own.name} ships with this lnbench.") from None
    if shipped.sha256 != own.sha256:
        raise RecordError(
            f"it was run on {own.name} {own.sha256[:8]} (version {own.version}), the board has {shipped.sha256[:8]} "
            f"(version {shipped.version}); run it again."
        )


def _submitted(record: Record, folder: Path) -> None:
    """Raise RecordError unless the record was made from the file of its name in a folder."""
    files = {file.stem: file for file in folder.glob("*.py") if file.is_file()}
    if record.name not in files:
        raise RecordError(f"it is of {plain(record.label)}, and {folder} has no file of that name.")
    if sha256(files[record.name].read_bytes()) != record.document["poisoner"]["sha256"]:
        raise RecordError(f"it was made from another {record.name}.py than the one in {folder}.")


def _consistent(record: Record) -> None:
    """Raise RecordError if the record does not follow from its own bits."""
    for one in checks(record):
        if one.passed is False:
            raise RecordError(f"its check {one.name!r} fails: {one.sentence}")


@contextlib.contextmanager
def _about(path: Path) -> Iterator[None]:
    """Let a RecordError name the file it is about."""
    try:
        yield
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from None


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.UTC).date()


def _silently(sentence: str) -> None:
    """For callers who do not ask what could not be checked."""


def _render(records_dir: Path, out: Path) -> dict[str, bytes]:
    """Every file of the board by its path in `out`."""
    if not records_dir.is_dir():
        raise RecordError(f"{records_dir}: there is no such folder of records.")
    shown = tables.load(records_dir)
    records = Path(os.path.relpath(records_dir.resolve(), out.resolve())).as_posix()
    root = out.resolve().parent
    files = {
        "README.md": markdown.render(shown, records, root),
        "index.html": page.render(shown, records, root),
        "board.csv": export.as_csv(shown),
        "board.bib": export.as_bibtex(shown),
    }
    for table in shown.tables:
        files |= {f"{_FIGURES}/{name}": svg for name, svg in figures.all_of(table).items()}
        files[f"{_FIGURES}/{table.id}-scores.svg"] = figures.alone(forest.figure(table))
        if table.id == DEFAULT:
            for scheme, style in figures.STYLES.items():
                files[f"{_FIGURES}/board-{scheme}.svg"] = figures.alone(forest.figure(table), style)
        if table.optimum is not None or table.random is not None:
            drawn = exchange.figure(table, f"Random flips that crafted ones are worth, {table.id}")
            files[f"{_FIGURES}/{table.id}-exchange.svg"] = figures.alone(drawn)
    front = readme.filled(root, shown)
    if front is not None:
        files[_FRONT] = front
    return {"board.json": export.as_json(shown), **{name: text.encode() for name, text in files.items()}}


def _place(out: Path, name: str) -> Path:
    """Where a file of the board lies; one of them is the page of the repository that it is in."""
    return out.parent / "README.md" if name == _FRONT else out / name


def _drifted(out: Path, files: dict[str, bytes]) -> list[str]:
    """Names of files that are missing, differ, or are left over among the figures."""
    places = {name: _place(out, name) for name in files}
    wrong = {n for n, place in places.items() if not place.is_file() or place.read_bytes() != files[n]}
    left = {f"{_FIGURES}/{path.name}" for path in (out / _FIGURES).glob("*.svg")} - set(files)
    return sorted(wrong | left)
