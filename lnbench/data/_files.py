"""Where data files lie, and how missing ones arrive: never half-written, never when offline."""

from __future__ import annotations

import contextlib
import errno
import http.client
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import platformdirs

from lnbench.errors import DataError
from lnbench.protocol.hashes import sha256

HELP = "set LNBENCH_DATA to the folder that holds {}"
_TIMEOUT = 60.0
"""Seconds without a byte after which a download counts as failed."""


def folders() -> list[Path]:
    """Where data is looked for, in order: LNBENCH_DATA if set, then the cache."""
    chosen = os.environ.get("LNBENCH_DATA")
    return [*([Path(chosen)] if chosen else []), downloads()]


def downloads() -> Path:
    """Where downloads are kept: `data` in LNBENCH_CACHE, or in the user's cache folder."""
    cache = os.environ.get("LNBENCH_CACHE")
    return Path(cache or platformdirs.user_cache_dir("lnbench")) / "data"


def offline() -> bool:
    """Whether LNBENCH_OFFLINE or HF_HUB_OFFLINE forbids downloads."""
    on = {"1", "true", "yes", "on"}
    return any(os.environ.get(name, "").lower() in on for name in ("LNBENCH_OFFLINE", "HF_HUB_OFFLINE"))


def find(what: str) -> Path | None:
    """The first existing `what` (a relative path) in `folders()`, or None."""
    return next((folder / what for folder in folders() if (folder / what).exists()), None)


def fetch(what: str, download: Callable[[Path], None]) -> Path:
    """The folder `what`, downloaded into the cache if it is nowhere.

    Args:
        what: first part of the path, a folder of that name.
        download: called with a fresh folder in which it must make `what`, complete; that is then renamed into place.

    Raises:
        DataError: if it is missing and downloads are forbidden or fail.
    """
    found = find(what)
    if found is not None:
        return found
    looked = " nor in ".join(str(folder) for folder in folders())
    if offline():
        raise DataError(
            f"{what} is not in {looked}, and LNBENCH_OFFLINE or HF_HUB_OFFLINE forbids downloading it; "
            f"{HELP.format(what)}."
        )
    target = downloads() / what
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{what}-", dir=target.parent) as scratch:
        try:
            with _impatient():
                download(Path(scratch))
        except (OSError, RuntimeError, EOFError, http.client.HTTPException) as error:
            if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                raise
            raise DataError(
                f"{what} is not in {looked}, and downloading it failed ({_first_line(error)}); "
                f"try again with a network, or {HELP.format(what)}."
            ) from None
        try:
            (Path(scratch) / what).rename(target)
        except OSError:
            if not target.exists():  # else another process was faster: its files are as good
                raise
    return target


def digest(images: np.ndarray, labels: np.ndarray) -> str:
    """SHA-256 of uint8 images and then int64 labels, little-endian, as they lie in memory."""
    return sha256(images.tobytes() + labels.astype("<i8").tobytes())


def decoded(pinned: str) -> Path:
    """The folder of the cache for decoded arrays of this digest."""
    return downloads() / "decoded" / pinned


def kept(pinned: str, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray] | None:
    """Decoded images (n, *shape) and labels (n,) of this digest from the cache, or None if they are not there whole."""
    folder = decoded(pinned)
    try:
        images, labels = (np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("images", "labels"))
    except (OSError, ValueError, EOFError):
        return None
    good = images.dtype == np.uint8 and labels.dtype == np.int64 and images.shape == (*labels.shape, *shape)
    return (images, labels) if good and digest(images, labels) == pinned else None


def keep(pinned: str, images: np.ndarray, labels: np.ndarray) -> None:
    """Put decoded arrays into the cache for the next process; a cache that cannot be written only costs time."""
    target = decoded(pinned)
    with contextlib.suppress(OSError):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".decoded-", dir=target.parent) as scratch:
            whole = Path(scratch) / pinned
            whole.mkdir()
            np.save(whole / "images.npy", images)
            np.save(whole / "labels.npy", labels)
            shutil.rmtree(target, ignore_errors=True)  # what is there is damaged, or it would have been read
            whole.rename(target)


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:1] + lines[-1:] if len(lines) > 1 else lines)[:200] or type(error).__name__
