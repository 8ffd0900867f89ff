"""A source's files: of the first place that holds them whole, or downloaded, never half-written, never when offline."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lnbench.data import lookalikes, network
from lnbench.data.folders import data_folder, downloads, offline, places
from lnbench.errors import DataError, LnbenchError, UnavailableError

T = TypeVar("T")

SILENCE = 60.0
"""Seconds without a byte after which a download counts as failed."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True)
class Remote:
    """Where a folder is downloaded from.

    Attributes:
        url: the server.
        get: called with a fresh folder in which it must make the source's folder, complete.
        hub: whether huggingface_hub downloads it, or else urllib.
    """

    url: str
    get: Callable[[Path], None]
    hub: bool = False


def find(name: str) -> Path | None:
    """The first folder `name` that is in one of the places for data; None if there is none.

    Raises:
        DataError: if there is none, and a place may not be looked into.
    """
    return _first(name, lambda folder: folder)


def read(name: str, reader: Callable[[Path], T], remote: Remote | None, *, sample: str, archive: str = "") -> T:
    """What `reader` makes of the folder `name`: of the first place that holds it whole, downloaded if it is nowhere.

    A folder that is incomplete or altered does not hide a good one in a later place.

    Args:
        reader: raises DataError for a folder that is not what it should be.
        remote: where to get it; None if the track names no place.
        sample: one of its files, relative to it; may hold `*`.
        archive: the file that its publisher packs all of them into.

    Raises:
        DataError: the reader's, about the first folder there is; or if there is none and it cannot be downloaded.
        UnavailableError: if the downloads' folder cannot be written.
    """
    made = _first(name, reader)
    return reader(_download(name, remote, sample, archive)) if made is None else made


def replace(folder: Path, name: str) -> str:
    """What to do about a folder with a bad file in it; only what lnbench downloaded itself is ever to be deleted."""
    if data_folder() == folder.parent:
        return f"put the right file there, or unset LNBENCH_DATA to have lnbench download {name} into its cache"
    if folder.resolve().is_relative_to(downloads().resolve()):
        return f"delete {folder}, which lnbench downloaded, and run again, or {elsewhere(name)}"
    return f"put the right file there, or {elsewhere(name)}"


def elsewhere(name: str) -> str:
    """How to say where a folder is."""
    return f"set LNBENCH_DATA to the folder that holds {name}"


def _first(name: str, reader: Callable[[Path], T]) -> T | None:
    """What `reader` makes of the first folder `name` that it accepts; None if there is no such folder at all.

    Raises:
        DataError: the first one there was, if it accepts none.
    """
    refused: DataError | None = None
    for place in places():
        try:
            if _there(place / name, name):
                return reader(place / name)
        except DataError as error:
            refused = refused or error
    if refused is not None:
        raise refused
    return None


def _there(folder: Path, name: str) -> bool:
    try:
        os.stat(folder)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror}); {elsewhere(name)}.") from None
    return True


def _download(name: str, remote: Remote | None, sample: str, archive: str) -> Path:
    """Download a folder and rename it into place."""
    missing = f"{name} is not in {' nor in '.join(map(str, places()))}"
    chosen = data_folder()
    hint = lookalikes.advice(chosen / name / sample, chosen, archive) if chosen is not None else ""
    remedy = f"{hint or elsewhere(name)}."
    if remote is None:
        raise DataError(f"{missing}, and its track names no place to get it from; {remedy}")
    if forbidden := offline():
        raise DataError(f"{missing}, and {forbidden} forbids downloading it; {remedy}")
    target = downloads() / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(prefix=f".{name}-", dir=target.parent)
    except OSError as error:
        if error.errno in _FULL:
            raise
        raise UnavailableError(
            f"{target.parent} cannot be written ({error.strerror}); set LNBENCH_CACHE to a folder that can."
        ) from None
    with scratch as fresh:
        try:
            with _impatient():
                remote.get(Path(fresh))
        except LnbenchError:
            raise
        except Exception as error:  # urllib's, httpx's and the Hub's own errors share no base class
            if isinstance(error, OSError) and error.errno in _FULL:
                raise
            why = network.reason(error, remote.url, hub=remote.hub)
            raise DataError(f"{missing}, and downloading it failed: {why}; {'' if hint else 'or '}{remedy}") from None
        try:
            (Path(fresh) / name).rename(target)
        except OSError as error:
            if not target.exists():  # else another process was faster: its files are as good
                raise UnavailableError(f"{target} cannot be made ({error.strerror}): what is in its place?") from None
    return target


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
