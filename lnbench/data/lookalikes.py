"""Files that are there under another name, packed, or in another folder: what to do so that they are found.

Archives unpack to other names on every site: MNIST comes as `train-images.idx3-ubyte`, `train-images-idx3-ubyte.gz`, or
as a folder with the file of that name in it.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from pathlib import Path

_DEEPEST = 3
"""Levels of folders that are looked into."""
_MOST = 5_000
"""Entries that are looked at."""
_SHOWN = 6
_PACKED = re.compile(r"(?i)\.(gz|zip|bz2|xz|7z|tar|tgz)$")


def advice(wanted: Path, root: Path, archive: str = "") -> str:
    """What to do so that a file is found, as a clause; empty if nothing under `root` resembles it.

    Args:
        wanted: where it should be, a path under `root`; its last part may hold `*`.
        root: the folder in which to look for the like of it.
        archive: the file that its publisher packs it into with all others.
    """
    relative = str(wanted.relative_to(root))
    target = wanted.parent if "*" in wanted.name else wanted
    for path in _like((wanted.name, archive), root):
        if _plain(path.name) == _plain(archive):
            return f"{path} is packed: unpack it in {root}"
        if _PACKED.search(path.name):
            return f"{path} is packed: unpack it to {target}"
        if path.parent == wanted:
            return f"{wanted} is a folder: put the file {path.name} that is in it in its place"
        if path == wanted:
            continue
        if path.match(relative):
            return f"{path} is there: set LNBENCH_DATA to {path.parents[relative.count('/')]}"
        if path.parent == wanted.parent:
            return f"{path} is there: rename it to {wanted.name}"
        return f"{path} is there: move it to {target}"
    return ""


def contents(folder: Path) -> str:
    """What lies in a folder, in words."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        return f"{folder} cannot be looked into ({error.strerror})"
    if not names:
        return f"{folder} is empty"
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"in {folder} are {', '.join(names[:_SHOWN])}{more}"


def _like(names: tuple[str, ...], root: Path) -> Iterator[Path]:
    """Files under `root` whose names differ from one of `names` only in case, separators or an archive's ending."""
    wanted, seen = [_plain(name) for name in names], 0
    for folder, folders, files in os.walk(root):
        depth = len(Path(folder).relative_to(root).parts)
        folders[:] = sorted(folders) if depth < _DEEPEST else []
        for file in sorted(files):
            plain = _plain(file), _plain(_PACKED.sub("", file))
            if any(fnmatch.fnmatchcase(one, name) for one in plain for name in wanted):
                yield Path(folder) / file
        seen += len(files) + len(folders)
        if seen > _MOST:
            return


def _plain(name: str) -> str:
    """A file's name in lower case, with one kind of separator."""
    return re.sub(r"[._ -]+", "-", name.lower())
