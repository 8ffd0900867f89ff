"""Writing the board, comparing it with the records, and letting records in."""

from __future__ import annotations

import os
from pathlib import Path

from lnbench.board import export, figures, markdown, page, tables
from lnbench.errors import ProtocolError, RecordError, UnavailableError
from lnbench.protocol import sha256
from lnbench.protocol import track as tracks
from lnbench.record.consistency import checks
from lnbench.record.record import Record, read, write

_FIGURES = "figures"


def build(records_dir: str | Path, out_dir: str | Path) -> list[Path]:
    """Write the board of all records in a folder; returns the files that changed, in order.

    Raises:
        RecordError: naming the first file that is no record or may not be on the board; nothing is written then.
        UnavailableError: if the place cannot be written.
    """
    out, files = Path(out_dir), _render(Path(records_dir), Path(out_dir))
    changed = [out / name for name in _drifted(out, files)]
    try:
        for path in changed:
            name = path.relative_to(out).as_posix()
            if name not in files:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            temporary.write_bytes(files[name])
            os.replace(temporary, path)
    except OSError as error:
        raise UnavailableError(f"the board cannot be written to {out}: {error.strerror}.") from None
    return changed


def check(records_dir: str | Path, out_dir: str | Path) -> list[Path]:
    """The files of the board that are not what the records say: altered, missing or left over.

    Unlike `build` this derives every record anew from its own bits, so a forged one cannot be committed unnoticed.

    Raises:
        RecordError: naming the first file that is no record, contradicts itself or may not be on the board.
    """
    out = Path(out_dir)
    for path in tables.records_in(Path(records_dir)):
        _consistent(read(path), path)
    return [out / name for name in _drifted(out, _render(Path(records_dir), out))]


def add(record_path: str | Path, records_dir: str | Path, *, submissions: str | Path | None = None) -> Path:
    """Copy a record into the folder of records as `<track>/<name>-<sha8>.json`; the board is built separately.

    The record is checked by itself (`lnbench verify` also checks it against the data).

    Args:
        submissions: a folder of files, in one of which the record's source must stand, byte for byte.

    Raises:
        RecordError: if it is no record, contradicts itself, is not ranked, is of another version of its track or of
            none that ships, is of none of the submissions, or is already there.
    """
    record, folder = read(record_path), Path(records_dir)
    _consistent(record, record_path)
    if submissions is not None:
        _submitted(record, record_path, Path(submissions))
    try:
        tables.admissible(record, tables.read_seasons(folder))
        shipped = tracks.load(record.track.name)
    except RecordError as error:
        raise RecordError(f"{record_path}: {error}") from None
    except ProtocolError:
        raise RecordError(f"{record_path}: no track called {record.track.name} ships with this lnbench.") from None
    if shipped.sha256 != record.track.sha256:
        raise RecordError(
            f"{record_path}: it was run on {record.track.name} {record.track.sha256[:8]} (version "
            f"{record.track.version}), the board has {shipped.sha256[:8]} (version {shipped.version}); run it again."
        )
    for path in tables.records_in(folder, record.track.name):
        if read(path).identity == record.identity:
            raise RecordError(f"{record_path}: {record.label} from the same source is already there: {path.name}.")
    target = folder / record.track.name / record.filename
    write(record, target)
    return target


def _submitted(record: Record, path: str | Path, folder: Path) -> None:
    """Raise RecordError unless the record was made from the file of its name in a folder."""
    files = {file.stem: file for file in folder.glob("*.py") if file.is_file()}
    if record.name not in files:
        raise RecordError(f"{path}: it is of {record.label}, and {folder} has no file of that name.")
    if sha256(files[record.name].read_bytes()) != record.document["poisoner"]["sha256"]:
        raise RecordError(f"{path}: it was made from another {record.name}.py than the one in {folder}.")


def _consistent(record: Record, path: str | Path) -> None:
    """Raise RecordError if the record does not follow from its own bits."""
    failed = [check for check in checks(record) if check.passed is False]
    if failed:
        raise RecordError(f"{path}: its check {failed[0].name!r} fails: {failed[0].sentence}")


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
    return {"board.json": export.as_json(shown), **{name: text.encode() for name, text in files.items()}}


def _drifted(out: Path, files: dict[str, bytes]) -> list[str]:
    """Names of files that are missing, differ, or are left over among the figures."""
    wrong = {n for n, content in files.items() if not (out / n).is_file() or (out / n).read_bytes() != content}
    left = {f"{_FIGURES}/{path.name}" for path in (out / _FIGURES).glob("*.svg")} - set(files)
    return sorted(wrong | left)
