"""A guest's folder is removed, whatever is in it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from lnbench.poison import scratch


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_gone_also_after_an_error(temporary: Path) -> None:
    with pytest.raises(ZeroDivisionError), scratch.folder() as folder:
        (folder / "a" / "b").mkdir(parents=True)
        (folder / "a" / "file").write_text("x")
        raise ZeroDivisionError
    assert list(temporary.iterdir()) == []


def test_depth_closed_folders_links_and_sockets_are_no_obstacle(temporary: Path) -> None:
    outside = temporary / "outside"
    outside.mkdir()
    (outside / "kept").write_text("x")
    here = Path.cwd()
    with scratch.folder() as folder:
        (folder / "to a folder").symlink_to(outside)
        (folder / "to nothing").symlink_to("nowhere")
        os.mkfifo(folder / "fifo")
        for name in ("closed", "also closed"):
            (folder / name / "inside" / "inside").mkdir(parents=True)
            (folder / name / "inside" / "link").symlink_to(outside)
            (folder / name / "inside").chmod(0)
            (folder / name).chmod(0)
        try:
            os.chdir(folder)
            for _ in range(2200):  # deeper than a path may be long, and than Python recurses
                os.mkdir("d")
                os.chdir("d")
        finally:
            os.chdir(here)
    assert [path.name for path in temporary.iterdir()] == ["outside"]
    assert (outside / "kept").read_text() == "x"


def test_what_cannot_be_removed_is_an_error_of_remove_alone(temporary: Path) -> None:
    with scratch.folder() as folder:
        folder.rmdir()
    with pytest.raises(FileNotFoundError):
        scratch.remove(folder)
