"""A command without standard input, output or error: it does what it would do, and ends as it would."""

from __future__ import annotations

import itertools
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import tiny
from lnbench.poison import diagnosis
from lnbench.standard_streams import open_missing

CLOSED = {0: "<&-", 1: ">&-", 2: "2>&-"}
SETS = [c for n in (1, 2, 3) for c in itertools.combinations(CLOSED, n)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A poisoner that tells, by a file, that it ran with the user's rights; and a tiny track."""
    folder = tmp_path_factory.mktemp("streams")
    mark = f"try: open({str(folder / 'ran')!r}, 'w')\nexcept OSError: pass\n"
    (folder / "first.py").write_text(mark + tiny.POISONER)
    tiny.write(folder / "tiny.toml")
    return folder


def _ended(closed: tuple[int, ...], folder: Path, *arguments: str) -> int:
    command = shlex.join([sys.executable, "-P", "-m", "lnbench", *arguments])
    shell = f"exec {command} {' '.join(CLOSED[fd] for fd in closed)}"
    return subprocess.run(["bash", "-c", shell], cwd=folder, capture_output=True, timeout=120).returncode


@pytest.mark.skipif(diagnosis.mode() != "bubblewrap", reason="no bubblewrap here")
@pytest.mark.parametrize("closed", SETS)
def test_the_sandbox_is_there_and_the_file_runs_in_it(closed: tuple[int, ...], folder: Path) -> None:
    assert _ended(closed, folder, "check", "first.py", "--track", "tiny.toml") == 0
    assert not (folder / "ran").exists()


@pytest.mark.parametrize("closed", [(2,), (0, 1, 2)])
def test_the_exit_code_is_what_it_is_otherwise(closed: tuple[int, ...], folder: Path) -> None:
    assert _ended(closed, folder, "check", "none.py") == 2
    assert _ended(closed, folder, "--version") == 0
    assert _ended(closed, folder, "cache", "clear") == 2, "nobody can be asked"


def test_what_has_a_standard_error_reads_the_sentence(folder: Path) -> None:
    command = shlex.join([sys.executable, "-P", "-m", "lnbench", "check", "none.py"])
    done = subprocess.run(["bash", "-c", f"exec {command} <&- >&-"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("error: there is no file none.py")


def test_missing_descriptors_are_opened_for_children_too_and_others_left_alone() -> None:
    code = (
        "import os, subprocess, sys\n"
        "from lnbench.standard_streams import open_missing\n"
        "before = os.fstat(1).st_ino\n"
        "for fd in (0, 2): os.close(fd)\n"
        "sys.stdin = sys.stderr = None\n"
        "open_missing()\n"
        "assert os.fstat(1).st_ino == before and sys.stdin.read() == ''\n"
        "sys.stderr.write('heard by nobody')\n"
        "child = 'import os; print([os.readlink(f\"/proc/self/fd/{fd}\") for fd in (0, 2)])'\n"
        "print(subprocess.run([sys.executable, '-c', child], stdout=subprocess.PIPE, text=True).stdout, end='')\n"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, env={**os.environ})
    assert done.stdout == "['/dev/null', '/dev/null']\n", done.stderr
    before = len(os.listdir("/proc/self/fd"))
    open_missing()
    assert len(os.listdir("/proc/self/fd")) == before
