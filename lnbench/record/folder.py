"""A folder of records, `<track>/<file>.json`, with the audit of a record beside it as `<file>.audit.json`."""

from __future__ import annotations

from pathlib import Path

_AUDIT = ".audit.json"


def records_in(folder: Path, track: str = "*") -> list[Path]:
    """The files of a folder that are records by their names, in order: all but the audits."""
    paths = (path for path in folder.glob(f"{track}/*.json") if not path.name.endswith(_AUDIT))
    return sorted(paths, key=lambda path: path.relative_to(folder).as_posix())


def audit_beside(record: Path) -> Path:
    """Where the audit of a record's file belongs."""
    return record.with_name(f"{record.stem}{_AUDIT}")
