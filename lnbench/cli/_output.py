"""Where a verb writes what it made: tried before the work, and shown all the same if writing fails after it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lnbench.protocol import Track
    from lnbench.record.record import Record


def records_folder(out: Path | None, track: Track) -> Path:
    """Where a track's records go: to the folder or file asked for, or to `records/TRACK` here; see `place`.

    Raises:
        UnavailableError: if files cannot be written there.
    """
    folder = out or Path("records") / track.name
    writable(place(folder, "a").parent)
    return folder


def place(out: Path, name: str) -> Path:
    """The file that `--out` means: `out` itself, or the one of this name in it if it is a folder.

    Of what is not there yet, `.json` at the end says that it is a file.
    """
    return out if out.suffix == ".json" and not out.is_dir() else out / name


def writable(*folders: Path | None) -> None:
    """Raise UnavailableError unless files can be written to all of these folders; None is no folder."""
    from lnbench.files import check_writable

    for folder in folders:
        if folder is not None:
            check_writable(folder)


def write(record: Record, folder: Path, *, as_json: bool = False) -> Path:
    """Write a record to a folder, or to a file; returns the file.

    Raises:
        UnavailableError: if it cannot be written; it is printed then, as JSON too if that is what was asked for.
    """
    from lnbench import record as records
    from lnbench.cli import _report
    from lnbench.errors import UnavailableError
    from lnbench.protocol import canonical_json

    path = place(folder, record.filename)
    try:
        records.write(record, path)
    except UnavailableError:
        _report.print_record(record, err=as_json)
        if as_json:
            click.echo(canonical_json(record.document), nl=False)
        raise
    return path


def write_file(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all; folders are made.

    Raises:
        UnavailableError: if it cannot be written.
    """
    from lnbench.errors import UnavailableError
    from lnbench.files import write_atomically

    try:
        write_atomically(path, content, parents=True)
    except OSError as error:
        raise UnavailableError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}.") from None
