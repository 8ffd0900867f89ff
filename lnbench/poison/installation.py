"""Where Python and its libraries are: what a guest must be able to read, and what in there it must not."""

from __future__ import annotations

import contextlib
import functools
import glob
import os
import stat
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
"""The lnbench package, and nothing beside it."""

SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
"""Folders that are links into /usr on most systems."""

EXTRA = ("/etc/ld.so.cache", "/etc/alternatives", "/nix/store")
"""What the dynamic loader reads outside of them."""


def executable() -> str:
    """The interpreter's path without `..`, which bubblewrap takes for a folder's name."""
    return os.path.abspath(sys.executable)


def prefixes() -> list[str]:
    """Folders of the Python installation outside /usr, outer ones first.

    A virtual environment needs its own prefix and its base's, each under the name Python uses and under its real one.
    """
    named = set(map(os.path.abspath, (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)))
    both = {*named, *map(os.path.realpath, named)}
    return sorted((p for p in both if not inside(p, ["/usr"])), key=lambda p: (p.count("/"), p))


def masked() -> list[str]:
    """Folders inside the installation that hold data sets, or other environments with their own copies; outer first."""
    found = bundled_data([*prefixes(), "/usr", "/usr/local"])
    for prefix in prefixes():
        for other in ("pkgs", "envs"):
            folder = os.path.join(prefix, other)
            if os.path.isdir(folder) and (other == "envs" or os.path.isdir(os.path.join(prefix, "conda-meta"))):
                found.append(folder)
    return sorted(set(found), key=lambda p: (p.count("/"), p))


@functools.lru_cache(maxsize=1)
def open_paths() -> tuple[list[str], list[str]]:
    """The installation without what is masked, where folders can be opened but not covered.

    Returns:
        (files and folders that may be read with all below, folders that may be listed).
    """
    read, listed, hidden = [], [], masked()
    for start in [*prefixes(), "/usr", *(p for p in (*SYSTEM, *EXTRA) if os.path.exists(p) and not os.path.islink(p))]:
        queue = [start]
        while queue:
            path = queue.pop()
            if not any(inside(mask, [path]) for mask in hidden):
                read.append(path)
            elif path not in hidden:
                listed.append(path)
                with contextlib.suppress(OSError):  # what cannot be listed stays shut
                    queue += [e.path for e in os.scandir(path) if not e.is_symlink()]  # a link opens its target
    return [*read, str(PACKAGE)], listed


def bundled_data(folders: Sequence[str]) -> list[str]:
    """Folders of data sets that come with scikit-learn: the digits' test points are in there."""
    found = set()
    for library in (path for folder in folders for path in glob.glob(f"{glob.escape(folder)}/lib*")):
        if not os.path.islink(library):
            found.update(glob.glob(f"{glob.escape(library)}/python*/*-packages/sklearn/datasets/data"))
    return sorted(found)


def links(path: str) -> Iterator[tuple[str, str]]:
    """The symbolic links met on the way to the file, as (link, its text)."""
    for _ in range(40):
        parts = Path(path).parts
        for i in range(1, len(parts) + 1):
            link = os.path.join(*parts[:i])
            if os.path.islink(link):
                target = os.readlink(link)
                yield link, target
                path = os.path.normpath(os.path.join(os.path.dirname(link), target, *parts[i:]))
                break
        else:
            return


def needed() -> list[str]:
    """What a guest reads on the machine's own file system where nothing is mounted for it, temporary files included."""
    return [*prefixes(), os.path.dirname(os.path.realpath(os.__file__)), str(PACKAGE), tempfile.gettempdir()]


def shut(paths: Sequence[str]) -> tuple[str, str] | None:
    """The first folder that keeps users other than its owner from one of the paths, by its permission bits.

    Returns:
        (the folder, the path below it or the same), or None if every user may enter them all.
    """
    for path in paths:
        for folder in (*reversed(Path(path).parents), Path(path)):
            with contextlib.suppress(OSError):
                if not folder.stat().st_mode & stat.S_IXOTH:
                    return str(folder), path
    return None


def inside(path: str, folders: Sequence[str]) -> bool:
    """Whether a path is one of the folders or lies below one, by its name alone: links are not followed."""
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
