"""Results on disk under content keys: a killed run resumes, two runs share, a damaged entry is only computed again.

An entry is one JSON file `<root>/<kind>/<key[:2]>/<key>.json` that holds its own checksum. It is written beside its
place and renamed into it, so a reader sees all of it or nothing. Keys are hashes of everything a result depends on;
a store may be copied to another machine as it is.
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lnbench.data.folders import cache_folder
from lnbench.errors import UnavailableError
from lnbench.files import write_atomically
from lnbench.protocol.hashes import canonical_json, sha256_json


def default_root() -> Path:
    """`store` in the cache folder."""
    return cache_folder() / "store"


class Store:
    """A folder of results, made when the first result is put.

    Args:
        root: the folder; `store` in the cache folder if None.

    Raises:
        UnavailableError: if there is no cache folder; see `lnbench.data.folders.cache_folder`.
    """

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root) if root is not None else default_root()

    @property
    def place(self) -> str:
        """Where it is, for people: a folder or an address."""
        return str(self.root)

    def below(self, name: str) -> Store:
        """The store in a folder of this one."""
        return Store(self.root / name)

    def get(self, kind: str, name: Mapping[str, Any]) -> dict[str, Any] | None:
        """The result of this kind and name, or None; an entry that fails its checksum is removed.

        Args:
            kind: a folder of the store, such as `labels` or `cells`.
            name: everything the result depends on, as JSON values.
        """
        path = self._path(kind, name)
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UnavailableError(f"the store {self.root} cannot be read: {_reason(error)}. {_ADVICE}") from None
        value = value_of(data, name)
        if value is None:
            path.unlink(missing_ok=True)
        return value

    def get_all(self, kind: str, names: Sequence[Mapping[str, Any]]) -> list[dict[str, Any] | None]:
        """What `get` gives for each of these names."""
        return [self.get(kind, name) for name in names]

    def put(self, kind: str, name: Mapping[str, Any], value: Mapping[str, Any]) -> None:
        """Keep a result; on return it survives a crash of the process or the machine.

        Raises:
            UnavailableError: if the disk is full or the folder cannot be written; nothing half-written stays.
        """
        self._write(self._path(kind, name), entry_of(name, value))

    def post(self, kind: str, name: Mapping[str, Any], value: Mapping[str, Any]) -> None:
        """Put what is of use for the moment alone: to the place itself, without waiting for it.

        Raises:
            Exception: as the place says.
        """
        self.put(kind, name, value)

    def keys(self, kind: str) -> set[str]:
        """The keys of all entries of a kind; see `key_of`."""
        return {path.stem for path in self.root.glob(f"{kind}/[0-9a-f][0-9a-f]/*.json") if len(path.stem) == 64}

    def values(self, kind: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Name and value of every whole entry of a kind, by their keys."""
        paths = sorted(self.root.glob(f"{kind}/[0-9a-f][0-9a-f]/*.json"))
        return [whole for path in paths if (whole := whole_entry(_bytes(path), path.stem)) is not None]

    def _write(self, path: Path, data: bytes) -> None:
        try:
            write_atomically(path, data, parents=True)
        except OSError as error:
            raise UnavailableError(f"the store {self.root} cannot be written: {_reason(error)}. {_ADVICE}") from None

    def size(self) -> tuple[int, int]:
        """Number of entries, and their bytes."""
        sizes = [path.stat().st_size for path in self._entries() if path.suffix == ".json"]
        return len(sizes), sum(sizes)

    def clear(self) -> None:
        """Remove every entry, and the folders that are empty then; what is not the store's stays where it is.

        Raises:
            UnavailableError: if an entry cannot be removed.
        """
        try:
            for path in self._entries():
                path.unlink(missing_ok=True)
                for folder in path.parents:  # up to the root; one that is a link to elsewhere stays
                    if folder == self.root.parent or folder.is_symlink() or any(folder.iterdir()):
                        break
                    folder.rmdir()
        except OSError as error:
            raise UnavailableError(f"the store {self.root} cannot be cleared: {_reason(error)}.") from None

    def _entries(self) -> list[Path]:
        """The files of all entries, whole or left half-written; `<kind>` may lie in a folder of its own."""
        files = [path for depth in ("*", "*/*") for path in self.root.glob(f"{depth}/[0-9a-f][0-9a-f]/*")]
        return [path for path in files if _ENTRY.fullmatch(path.name) and path.is_file()]

    def _path(self, kind: str, name: Mapping[str, Any]) -> Path:
        return self.root / place_of(kind, key_of(name))


def key_of(name: Mapping[str, Any]) -> str:
    """The key of an entry: the hash of its name."""
    return sha256_json(dict(name))


def place_of(kind: str, key: str) -> str:
    """Where an entry lies below a store's root."""
    return f"{kind}/{key[:2]}/{key}.json"


def entry_of(name: Mapping[str, Any], value: Mapping[str, Any]) -> bytes:
    """An entry's bytes."""
    return canonical_json({"name": name, "value": value, "sha256": sha256_json(value)})


def value_of(data: bytes, name: Mapping[str, Any]) -> dict[str, Any] | None:
    """The value in an entry's bytes, or None if they are damaged, cut off or another entry's."""
    whole = whole_entry(data, key_of(name))
    return whole[1] if whole is not None and whole[0] == dict(name) else None


def whole_entry(data: bytes, key: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Name and value of the entry under a key, or None if the bytes are not a whole one."""
    try:
        entry = json.loads(data)
        name, value = entry["name"], entry["value"]
        if canonical_json(entry) == data and entry["sha256"] == sha256_json(value) and sha256_json(name) == key:
            return dict(name), dict(value)
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return None


def _bytes(path: Path) -> bytes:
    """A file's bytes; nothing if it has gone or cannot be read."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


_ENTRY = re.compile(r"[0-9a-f]{64}\.json|\.[0-9a-f]{64}\.json\..*")
"""Names of entries, and of those that were being written when something stopped it."""
_ADVICE = "Free some space, or set LNBENCH_CACHE to a folder that can be written."


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    return (error.strerror or str(error)).lower()
