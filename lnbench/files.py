"""Files that are whole or not there, and JSON that is canonical or refused."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from lnbench.errors import RecordError, UnavailableError
from lnbench.protocol.hashes import canonical_json


def write_atomically(path: Path, data: bytes, *, parents: bool = False) -> None:
    """Write `data` to `path` so that a crash leaves the old file or the new one, never a part.

    Args:
        parents: make the folders that are missing.

    Raises:
        OSError: as the file system says; no temporary file stays behind.
    """
    if parents:
        path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def check_writable(folder: Path) -> None:
    """Find out whether files can be written to a folder, which need not be there yet; nothing is made or left there.

    Raises:
        UnavailableError: if they cannot, with the reason.
    """
    whole = folder.absolute()
    place = next(place for place in (whole, *whole.parents) if os.path.lexists(place))
    try:
        with tempfile.TemporaryFile(dir=place):
            longest = os.pathconf(place, "PC_NAME_MAX")
        if any(len(os.fsencode(name)) > longest for name in whole.relative_to(place).parts):
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    except OSError as error:
        below = "" if place == whole else f" below {place}"
        reason = (error.strerror or str(error)).lower()
        raise UnavailableError(f"the folder {str(folder)[:200]} cannot be written{below}: {reason}.") from None


def clear_folder(folder: Path) -> None:
    """Remove a folder and all below it; of one that is a link, what it leads to is emptied and the link stays.

    Raises:
        OSError: as the file system says.
    """
    if not folder.is_symlink():
        shutil.rmtree(folder)
        return
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def read_at_most(path: Path, most: int) -> bytes:
    """The bytes of a file, at most one more than `most`, so that an endless file ends as one that is too large.

    Raises:
        OSError: as the file system says.
    """
    with path.open("rb") as file:
        return file.read(most + 1)


class RefusedError(RecordError):
    """A file is not what it should be. `check` names what failed: file (its size), json or canonical; of a record also
    schema, track and hash."""

    def __init__(self, check: str, sentence: str) -> None:
        super().__init__(sentence)
        self.check = check


def parse_canonical(data: bytes, most: int) -> Any:
    """The value of canonical JSON, the one form in which lnbench writes what it hashes.

    Args:
        most: bytes of the largest file that is read.

    Raises:
        RefusedError: in one sentence, if the bytes are too many, not JSON, or not the canonical form of their
            value.
    """
    if len(data) > most:
        raise RefusedError("file", f"it is larger than {most >> 20} MiB, the most such a file may be.")
    if not data:
        raise RefusedError("json", "it is empty.")
    try:
        value = json.loads(data.decode("ascii"))
        same = canonical_json(value) == data
        if b"\\ud" in data:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError:
        raise RefusedError("canonical", "it is not lnbench's JSON: it holds bytes that are not ASCII.") from None
    except UnicodeEncodeError:
        raise RefusedError("json", "it holds half of a surrogate pair, which is not text.") from None
    except RecursionError:
        raise RefusedError("json", "it is nested too deeply.") from None
    except ValueError as error:
        raise RefusedError("json", f"it is not JSON: {str(error)[:120]}.") from None
    if not same:
        raise RefusedError(
            "canonical", "it is not in canonical form (sorted keys, no spaces, each key once), in which lnbench writes."
        )
    return value
