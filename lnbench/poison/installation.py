"""Where Python and its libraries are: what a guest must be able to read, and what in there it must not."""

from __future__ import annotations

import glob
import os
import sys
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


def inside(path: str, folders: Sequence[str]) -> bool:
    """Whether a path is one of the folders or lies below one, by its name alone: links are not followed."""
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)
