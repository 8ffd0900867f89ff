"""A folder of records, `<track>/<file>.json`, with the audit of a record beside it as `<file>.audit.json`."""

from __future__ import annotations

import json
from pathlib import Path

from lnbench.errors import RecordError
from lnbench.record.record import LARGEST

_AUDIT = ".audit.json"


def records_in(folder: Path, track: str = "*") -> list[Path]:
    """The files of a folder that are records by their names, in order: all but the audits."""
    paths = (path for path in folder.glob(f"{track}/*.json") if not path.name.endswith(_AUDIT))
    return sorted(paths, key=lambda path: path.relative_to(folder).as_posix())


def audit_beside(record: Path) -> Path:
    """Where the audit of a record's file belongs."""
    return record.with_name(f"{record.stem}{_AUDIT}")


def refuse_audit(path: Path) -> None:
    """Raise RecordError, in one sentence, if a file is not a record but the audit of one, whatever its name is."""
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(LARGEST))
    except (OSError, ValueError, RecursionError):
        return
    if isinstance(document, dict) and document.get("kind") == "audit":
        of = str(document.get("record", ""))[:12]
        raise RecordError(f"{path}: this is the audit of the record {of}…, not a record; give the record's own file.")
