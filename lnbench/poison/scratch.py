"""A temporary folder, and its end, whatever a guest has put into it."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A fresh folder, removed at the end as far as it can be.

    Not `tempfile.TemporaryDirectory`: it removes by recursion, and a thousand folders inside each other end that.
    """
    path = Path(tempfile.mkdtemp(prefix="lnbench-"))
    try:
        yield path
    finally:
        with contextlib.suppress(OSError):
            remove(path)


def remove(path: Path) -> None:
    """Remove a folder with all below it; what lies deeper is moved up first, so that depth costs nothing.

    Links are never followed. What cannot be removed is left.

    Raises:
        OSError: if something was left, or the folder cannot be opened.
    """
    top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        moved, mark = 0, f".{secrets.token_hex(4)}.moved"
        todo = _emptied(top, top, 0, mark)
        while todo:
            name = todo.pop()
            with contextlib.suppress(OSError):
                inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
                try:
                    folders = _emptied(inner, top, moved, mark)
                finally:
                    os.close(inner)
                moved += len(folders)
                todo += folders
                os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)
    path.rmdir()


def _emptied(folder: int, top: int, moved: int, mark: str) -> list[str]:
    """Delete a folder's files and move its folders to the top, where they get new names; those names."""
    moved_up = []
    with os.scandir(folder) as entries:
        names = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in names:
        with contextlib.suppress(OSError):
            if not is_folder:
                os.unlink(name, dir_fd=folder)
                continue
            with contextlib.suppress(OSError):  # to be moved and read it must be open to us
                os.chmod(name, 0o700, dir_fd=folder)
            if folder == top:
                moved_up.append(name)
            else:
                new = f"{moved + len(moved_up)}{mark}"
                os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)
                moved_up.append(new)
    return moved_up
