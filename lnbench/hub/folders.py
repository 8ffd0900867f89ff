"""Folders that are built to be published: nobody's other files are touched, and nothing of an earlier build stays."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from lnbench.errors import ProtocolError, UnavailableError
from lnbench.files import check_writable, write_atomically


def files_of(folder: Path) -> list[str]:
    """The paths of all files below a folder, with `/`."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def check(folder: Path, ours: Callable[[str], bool], what: str) -> None:
    """Raise unless a folder is new, empty, or holds nothing but what an earlier build of the same kind left there.

    Args:
        ours: whether such a folder may have a file of this path.

    Raises:
        ProtocolError: naming a file that does not belong there.
        UnavailableError: if it cannot be written.
    """
    odd = next((path for path in files_of(folder) if not ours(path)), None)
    if odd is not None:
        raise ProtocolError(f"{folder} holds {odd[:100]!r}, which is not of {what}; give a folder of its own.")
    check_writable(folder)


def write(folder: Path, path: str, data: bytes) -> None:
    """Write one file, whole or not at all.

    Raises:
        UnavailableError: if it cannot be written.
    """
    try:
        write_atomically(folder / path, data, parents=True)
    except OSError as error:
        raise UnavailableError(
            f"{folder / path} cannot be written: {(error.strerror or str(error)).lower()}."
        ) from None


def keep_only(folder: Path, paths: Collection[str]) -> None:
    """Remove all files but these, which an earlier build left, and folders that are empty then."""
    for path in files_of(folder):
        if path not in paths:
            (folder / path).unlink()
    for place in sorted((place for place in folder.rglob("*") if place.is_dir()), reverse=True):
        if not any(place.iterdir()):
            place.rmdir()
