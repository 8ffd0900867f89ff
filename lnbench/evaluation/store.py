"""Results on disk under content keys: a killed run resumes, two runs share, a damaged entry is only computed again.

An entry is one JSON file `<root>/<kind>/<key[:2]>/<key>.json` that holds its own checksum. It is written beside its
place and renamed into it, so a reader sees all of it or nothing. Keys are hashes of everything a result depends on;
a store may be copied to another machine as it is.
"""

from __future__ import annotations

import errno
import json
import re
from collections.abc import Mapping
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
        try:
            entry = json.loads(data)
            value, stated = entry["value"], entry["name"]
            if canonical_json(entry) == data and entry["sha256"] == sha256_json(value) and stated == dict(name):
                return dict(value)
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        path.unlink(missing_ok=True)
        return None

    def put(self, kind: str, name: Mapping[str, Any], value: Mapping[str, Any]) -> None:
        """Keep a result; on return it survives a crash of the process or the machine.

        Raises:
            UnavailableError: if the disk is full or the folder cannot be written; nothing half-written stays.
        """
        path = self._path(kind, name)
        data = canonical_json({"name": name, "value": value, "sha256": sha256_json(value)})
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
        key = sha256_json(name)
        return self.root / kind / key[:2] / f"{key}.json"


_ENTRY = re.compile(r"[0-9a-f]{64}\.json|\.[0-9a-f]{64}\.json\..*")
"""Names of entries, and of those that were being written when something stopped it."""
_ADVICE = "Free some space, or set LNBENCH_CACHE to a folder that can be written."


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    return (error.strerror or str(error)).lower()
