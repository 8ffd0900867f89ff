"""Where Python and its libraries are: what a guest must be able to read, and what in there it must not."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
"""The lnbench package, and nothing beside it."""

_ROOTS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")
"""Folders that are links into /usr on most systems."""

_LOADED = ("/etc/ld.so.cache", "/etc/alternatives", "/nix/store")
"""What the dynamic loader reads outside of them."""

_LEFT_OUT = ("share", "src", "games")
_SHARED = ("zoneinfo", "locale", "i18n", "terminfo", "misc")
"""Of /usr/share, where other Pythons and data sets may lie as well, what programs cannot do without."""

_NAMES = re.compile("mnist|cifar|digits|ubyte", re.IGNORECASE).search
_DATA = (
    *".gz .xz .bz2 .zst .zip .tar .tgz .7z .npz .npy .csv .parquet .arrow .feather".split(),
    *".pkl .pickle .mat .h5 .hdf5 .bin .pt .tfrecord ubyte".split(),
)
_CODE = (".py", ".pyc", ".so", ".h", ".hpp", ".R", ".js")
_PACKED = re.compile(r"scikit[-_]learn-.*\.(whl|conda|bz2|gz|zip)$").match
"""Packages not unpacked yet that have the digits in them."""


def executable() -> str:
    """The interpreter's path without `..`, which bubblewrap takes for a folder's name."""
    return os.path.abspath(sys.executable)


@functools.cache
def system() -> tuple[list[str], list[tuple[str, str]]]:
    """The operating system's programs and libraries.

    Returns:
        (folders and files, links as (link, its text)).
    """
    here = sorted(name for name in os.listdir("/usr") if name not in _LEFT_OUT)
    paths = [*(f"/usr/{name}" for name in here), *(f"/usr/share/{name}" for name in _SHARED), *_ROOTS, *_LOADED]
    links = [(path, os.readlink(path)) for path in paths if os.path.islink(path)]
    return [path for path in paths if os.path.exists(path) and not os.path.islink(path)], links


def prefixes() -> list[str]:
    """Folders of the Python installation that are not the system's, outer ones first.

    A virtual environment needs its own prefix and its base's, each under the name Python uses and under its real one;
    and so do libraries that lie elsewhere.
    """
    own = {p for p in _prefixes() if p != "/usr" and not inside(p, system()[0])}
    return sorted({*own, *map(os.path.realpath, libraries()), *libraries()} - {"/usr"}, key=_depth)


def libraries() -> list[str]:
    """Folders of installed packages outside of every prefix, in the order of `sys.path`.

    They come through a `.pth` file, an environment that lies over another as `uv run --with` makes it, `PYTHONPATH`, or
    the user's own packages. A folder counts if a package's metadata lies in it, so that a checkout installed for
    editing, with all that is beside its packages, does not.
    """
    trees = [*system()[0], *_prefixes()]
    found = dict.fromkeys(os.path.abspath(path) for path in sys.path if os.path.isabs(path))
    outside = [p for p in found if not inside(p, trees) and not inside(os.path.realpath(p), trees)]
    return [path for path in outside if path not in (str(PACKAGE.parent), "/") and _has_packages(path)]


def _has_packages(folder: str) -> bool:
    """Whether metadata of an installed package lies right in a folder."""
    with contextlib.suppress(OSError):
        return any(name.endswith(".dist-info") for name in os.listdir(folder))
    return False


def _prefixes() -> set[str]:
    """All of Python's prefixes, under the names it uses and under their real ones."""
    named = set(map(os.path.abspath, (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)))
    return {*named, *map(os.path.realpath, named)}


def bound() -> list[str]:
    """All trees of the machine that a guest sees, but lnbench itself."""
    return [*system()[0], *prefixes()]


def masked() -> tuple[list[str], list[str]]:
    """What a guest must not see of these trees: data sets, and other environments with their own copies.

    Returns:
        (folders, files), outer ones first.
    """
    trees, needed = bound(), [*_prefixes(), *libraries(), os.path.dirname(os.path.realpath(os.__file__)), str(PACKAGE)]
    bundled, files = data_sets(tuple(trees), tuple(needed))
    folders = [*bundled]
    for prefix in prefixes():
        for other in ("pkgs", "envs"):
            folder = os.path.join(prefix, other)
            if os.path.isdir(folder) and (other == "envs" or os.path.isdir(os.path.join(prefix, "conda-meta"))):
                folders.append(folder)
    for name in ("LNBENCH_DATA", "LNBENCH_CACHE"):
        own = os.path.realpath(os.environ.get(name) or "/")
        for tree in trees if os.path.isdir(own) else []:
            if inside(own, [os.path.realpath(tree)]) and not _holds(own, needed):
                folders.append(os.path.normpath(os.path.join(tree, os.path.relpath(own, os.path.realpath(tree)))))
    return sorted(set(folders), key=_depth), sorted({file for file in files if not inside(file, folders)}, key=_depth)


@functools.lru_cache(maxsize=1)
def data_sets(trees: tuple[str, ...], needed: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Data sets that lie in some trees, by their names, wherever they were put; looked for once in each process.

    scikit-learn brings the digits with it, half of which are a split's test points; other Pythons and packages bring
    copies, MNIST and CIFAR.

    Args:
        needed: folders that must be seen, whatever those that hold them are called: an environment may be a project's.

    Returns:
        (folders, files).
    """
    folders, files = list[str](), list[str]()
    queue = [(tree, False) for tree in trees]
    while queue:
        folder, named = queue.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:  # what this process cannot list, a guest cannot either
            continue
        for entry in entries:
            name = entry.name
            about_data = _NAMES(name) is not None
            if not entry.is_dir(follow_symlinks=False):
                if ((about_data or named) and name.lower().endswith(_DATA)) or _PACKED(name):
                    files.append(entry.path)
            elif about_data and _holds(entry.path, needed):
                queue.append((entry.path, False))
            elif entry.path.endswith("/sklearn/datasets/data") or (about_data and not _has_code(entry.path)):
                folders.append(entry.path)
            elif name != "__pycache__":
                queue.append((entry.path, named or about_data))
    return folders, files


def _has_code(folder: str) -> bool:
    """Whether source or libraries lie right in the folder: then it is a package, and no data set alone."""
    with contextlib.suppress(OSError):
        return any(name.endswith(_CODE) for name in os.listdir(folder))
    return False


def _holds(folder: str, paths: Sequence[str]) -> bool:
    """Whether one of these paths is the folder or lies below it."""
    return any(inside(path, [folder]) for path in paths)


def _depth(path: str) -> tuple[int, str]:
    return path.count("/"), path


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
