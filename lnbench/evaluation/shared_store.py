"""A store for many hosts, at an address that fsspec opens, with a cache of its entries on this machine's disk.

Reading asks the cache first, then the address, and keeps what it got. Writing keeps the entry in the cache, so that
nothing is lost, and then publishes it whole: an object store puts an object at once, elsewhere a file is renamed into
its place. An entry that is damaged, cut off or foreign is not believed, wherever it lies. An address that does not
answer is asked again for a while, since a long run must survive a short outage.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from lnbench.errors import ProtocolError, UnavailableError
from lnbench.evaluation.store import (
    Store,
    default_root,
    entry_of,
    key_of,
    place_of,
    value_of,
    whole_entry,
)
from lnbench.protocol import CLEAN, RANDOM, sha256

T = TypeVar("T")

_PENDING = "pending"
"""Folder of the cache with a mark for each entry that is not published yet, `<kind>.<key>`."""
PATIENCE = 300.0
"""Seconds for which an address that does not answer is asked again; LNBENCH_STORE_PATIENCE sets others."""
_AT_ONCE = {"s3", "s3a", "gs", "gcs", "az", "abfs", "adl", "hf", "memory"}
"""Schemes whose writes are whole or nothing."""
_READ_ONLY = ("hf://datasets/", "https://", "http://")
"""Addresses of somebody's published baselines, which are read and never written to."""
_BASELINES = "cells"
_REFUSED = ("NoCredentialsError", "PartialCredentialsError", "HfHubHTTPError", "RepositoryNotFoundError")
"""Names of errors that no second try changes; permissions and missing buckets are OSErrors of their own."""


def open_store(where: str | os.PathLike[str] | None = None) -> Store:
    """The store in a folder or at an address such as `s3://bucket/prefix`; the default one if None.

    Raises:
        ProtocolError: if nothing opens addresses of this scheme.
        UnavailableError: if the library that does is not installed, or there is no cache folder.
    """
    if where is None or "://" not in str(where):
        return Store(None if where is None else Path(where))
    return SharedStore(str(where))


class SharedStore(Store):
    """A store at an address.

    A dataset on the Hub, or a web server, is a folder of published baselines: the clean and random arms alone are read
    from it, and everything else stays on this machine.

    Args:
        address: scheme, bucket or folder, and prefix.
        root: the cache's folder; one for this address in the cache folder if None.
        file_system: what opens it; fsspec's for the scheme if None.
    """

    def __init__(self, address: str, root: Path | None = None, file_system: Any = None) -> None:
        self.address = address.rstrip("/")
        self.scheme = address.partition("://")[0]
        super().__init__(root or default_root().parent / "stores" / sha256(self.address.encode())[:16])
        self.files = file_system or _file_system(self.scheme, self.address)
        self.base = str(self.files._strip_protocol(self.address)).rstrip("/")
        self.read_only = self.address.startswith(_READ_ONLY)
        self._settle()

    @property
    def place(self) -> str:
        """The address."""
        return self.address

    def below(self, name: str) -> Store:
        """The store in a folder of this one."""
        return SharedStore(f"{self.address}/{name}", self.root / name, self.files)

    def get(self, kind: str, name: Mapping[str, Any]) -> dict[str, Any] | None:
        """The result of this kind and name, from the cache or the address; None if neither has it whole."""
        return self.get_all(kind, [name])[0]

    def get_all(self, kind: str, names: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | None]:
        """What `get` gives for each of these names, asked for at once."""
        values = [super(SharedStore, self).get(kind, name) for name in names]
        wanted = {
            self._remote(kind, key_of(name)): i
            for i, name in enumerate(names)
            if values[i] is None and self._shares(kind, name)
        }
        if not wanted:
            return values
        found: dict[str, Any] = self._patiently("read", lambda: self._read(list(wanted)))
        for path, data in found.items():
            i = wanted[path]
            values[i] = value_of(data, names[i])
            if values[i] is not None:
                self._write(self._path(kind, names[i]), data)
        return values

    def put(self, kind: str, name: Mapping[str, Any], value: Mapping[str, Any]) -> None:
        """Keep a result here and publish it.

        Raises:
            UnavailableError: if either cannot be done; what is in the cache stays there, and is published when this
                machine opens the store again.
        """
        if self.read_only:
            super().put(kind, name, value)
            return
        key = key_of(name)
        mark = self.root / _PENDING / f"{kind}.{key}"
        with contextlib.suppress(OSError):  # of a disk that is full the entry itself says so
            mark.parent.mkdir(parents=True, exist_ok=True)
            mark.touch()
        super().put(kind, name, value)
        self.publish(place_of(kind, key), entry_of(name, value))
        mark.unlink(missing_ok=True)

    def post(self, kind: str, name: Mapping[str, Any], value: Mapping[str, Any]) -> None:
        """Put what is of use for the moment alone: to the address itself, without waiting for it.

        Raises:
            Exception: as the address says.
        """
        if self.read_only:
            self.put(kind, name, value)
            return
        self._publish(self._remote(kind, key_of(name)), entry_of(name, value))

    def publish(self, place: str, data: bytes) -> None:
        """Write a file at the address, whole or not at all."""
        self._patiently("written", lambda: self._publish(f"{self.base}/{place}", data))

    def keys(self, kind: str) -> set[str]:
        """The keys of all entries of a kind at the address; of published baselines, of those on this machine."""
        if self.read_only:
            return super().keys(kind)
        return {stem for path in self._list(kind) if len(stem := path.rpartition("/")[2].removesuffix(".json")) == 64}

    def values(self, kind: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Name and value of every whole entry of those that `keys` gives, by their keys."""
        if self.read_only:
            return super().values(kind)
        paths = sorted(self._list(kind), key=lambda path: path.rpartition("/")[2])
        read = self._patiently("read", lambda: self._read(paths)) if paths else {}
        stems = {path: path.rpartition("/")[2].removesuffix(".json") for path in paths}
        entries = (whole_entry(read[path], stems[path]) for path in paths if path in read)
        return [entry for entry in entries if entry is not None]

    def _settle(self) -> None:
        """Publish what an earlier run kept here and could not publish, or was killed before it had."""
        for mark in sorted((self.root / _PENDING).glob("*.*")):
            kind, _, key = mark.name.partition(".")
            path = self.root / place_of(kind, key)
            data = path.read_bytes() if path.exists() else b""
            if whole_entry(data, key) is not None:
                self.publish(place_of(kind, key), data)
            mark.unlink(missing_ok=True)

    def _shares(self, kind: str, name: Mapping[str, Any]) -> bool:
        """Whether an entry is looked for at the address."""
        return not self.read_only or (kind == _BASELINES and name.get("arm") in (CLEAN, RANDOM))

    def _remote(self, kind: str, key: str) -> str:
        return f"{self.base}/{place_of(kind, key)}"

    def _list(self, kind: str) -> list[str]:
        def listed() -> list[str]:
            self.files.invalidate_cache()
            with contextlib.suppress(FileNotFoundError):
                return [str(path) for path in self.files.find(f"{self.base}/{kind}") if str(path).endswith(".json")]
            return []

        return self._patiently("read", listed)

    def _read(self, paths: list[str]) -> dict[str, bytes]:
        """The bytes of those files that are there."""
        read = self.files.cat(paths, on_error="return")
        if isinstance(read, bytes):  # of a single path
            read = {paths[0]: read}
        for value in read.values():
            if isinstance(value, BaseException) and not isinstance(value, FileNotFoundError):
                raise value
        by_path = {self.files._strip_protocol(path): value for path, value in read.items()}
        return {path: by_path[path] for path in paths if isinstance(by_path.get(path), bytes)}

    def _publish(self, path: str, data: bytes) -> None:
        if self.scheme in _AT_ONCE:
            self.files.pipe_file(path, data)
            return
        self.files.makedirs(path.rpartition("/")[0], exist_ok=True)
        temporary = f"{path.rpartition('/')[0]}/.{path.rpartition('/')[2]}.{uuid.uuid4().hex[:8]}"
        try:
            self.files.pipe_file(temporary, data)
            self.files.mv(temporary, path)
        except BaseException:
            with contextlib.suppress(Exception):
                self.files.rm_file(temporary)
            raise

    def _patiently(self, what: str, action: Callable[[], T]) -> T:
        """Do something at the address, again and again while it does not answer.

        Raises:
            UnavailableError: if it refuses, or does not answer for too long.
        """
        patience = float(os.environ.get("LNBENCH_STORE_PATIENCE") or PATIENCE)
        deadline, pause, told = time.monotonic() + patience, 0.25, False
        while True:
            try:
                return action()
            except Exception as error:
                kept = f"What is finished is kept in {self.root}, and the same command goes on from there."
                if (reason := _refusal(error)) is not None:
                    raise UnavailableError(f"the store {self.address} cannot be {what}: {reason} {kept}") from None
                if time.monotonic() + pause > deadline:
                    words = f"no answer for {patience:g} s ({_words(error)})."
                    raise UnavailableError(f"the store {self.address} cannot be {what}: {words} {kept}") from None
                if not told:
                    logging.getLogger("lnbench").warning(
                        "the store %s does not answer (%s); asking again for %g s",
                        self.address,
                        _words(error),
                        patience,
                    )
                    told = True
                time.sleep(pause)
                pause = min(2 * pause, 5.0)


def _refusal(error: BaseException) -> str | None:
    """Why no second try would change it, or None if one may."""
    kind = type(error).__name__
    if "Credentials" in kind or "credentials" in str(error).lower():
        words = "set those of its provider, for S3 AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        return f"credentials are missing ({_words(error)}); {words}"
    if isinstance(error, PermissionError):
        return f"permission denied ({_words(error)})."
    if isinstance(error, FileNotFoundError) or kind in _REFUSED:
        return f"there is no such place ({_words(error)}); make the bucket first."
    if isinstance(error, OSError) and error.errno in (28, 30, 122):  # full, read-only, over the quota
        return f"{(error.strerror or str(error)).lower()}."
    return (
        None if isinstance(error, (OSError, TimeoutError)) or "Timeout" in kind or "Connect" in kind else _words(error)
    )


def _words(error: BaseException) -> str:
    """One line of what went wrong."""
    return (" ".join(str(error).split()) or type(error).__name__)[:200]


def _file_system(scheme: str, address: str) -> Any:
    """fsspec's file system for a scheme, without its own caches of listings."""
    import fsspec

    try:
        kind = fsspec.get_filesystem_class(scheme)
    except ValueError:
        raise ProtocolError(
            f"no store opens {scheme[:40]}:// addresses; give a folder, or s3://, gs://, hf://buckets/…, file://."
        ) from None
    except ImportError as error:
        raise UnavailableError(
            f"the store {address} needs a library that is not installed ({_words(error)}); pip install "
            "'lnbench[store]' brings the one for S3."
        ) from None
    with contextlib.suppress(TypeError):
        return kind(use_listings_cache=False)
    return kind()
