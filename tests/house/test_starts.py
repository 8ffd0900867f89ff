"""Python is started with -P or -I everywhere: else a file of the working folder, a submission perhaps, runs as ours.

`python -m`, `-c` and a script's name each put a folder of somebody's at the head of the path, in which `import queue`
then finds `queue.py`.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import tiny
from walk import ROOT

SAFE = ("-P", "-I")
FOLDERS = ("lnbench", "tests", "attacks", "defences", "submissions", ".github", ".ci", "leaderboard")
SCRIPTS = [
    ROOT / "Makefile",
    *(
        path
        for name in (".github", ".ci")
        for path in (ROOT / name).rglob("*")
        if path.is_file() and ".venv" not in str(path)
    ),
]
_SHELL = re.compile(r"""(?:^|[\s;|&("'/])(?:python3?|\$\{?python\}?|\$\{?name\}?)["']?\s+(?P<first>-\S+|\S+\.py)""")


def _starts(path: Path) -> Iterator[tuple[int, str]]:
    """(line, the next word's source) for every command that begins with this interpreter."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, (ast.List, ast.Tuple)):
            for at, word in enumerate(node.elts):
                if ast.unparse(word) in ("sys.executable", "installation.executable()"):
                    following = node.elts[at + 1] if at + 1 < len(node.elts) else None
                    yield node.lineno, "" if following is None else ast.unparse(following).strip("'")


def test_every_start_in_python() -> None:
    seen = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if ".venv" not in path.parts:
                seen += [(f"{path.relative_to(ROOT)}:{line}", first) for line, first in _starts(path)]
    assert len(seen) > 25
    assert [place for place, first in seen if first not in SAFE] == []


def test_nothing_else_starts_an_interpreter() -> None:
    """In the package three modules do, and each says how."""
    places = {
        "lnbench/evaluation/engine/process.py",
        "lnbench/evaluation/engine/ray.py",
        "lnbench/poison/installation.py",
    }
    files = (ROOT / "lnbench").rglob("*.py")
    assert {str(p.relative_to(ROOT)) for p in files if "sys.executable" in p.read_text(encoding="utf-8")} == places
    for path in (ROOT / "lnbench").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"import multiprocessing|ProcessPool|num_workers=[^0]", text), path


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_start_in_a_script(path: Path) -> None:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.lstrip().startswith("#"):
            for found in _SHELL.finditer(line):
                assert found["first"] in (*SAFE, "--version"), f"{path.relative_to(ROOT)}:{number}: {line.strip()}"


def test_the_walk_sees_what_it_should(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "import sys\nrun([sys.executable, '-m', 'x'])\nrun(['env', sys.executable, *more])\n"
    )
    assert [first for _, first in _starts(tmp_path / "a.py")] == ["-m", "*more"]
    for line in ("python -m pip", '  "$python" -m venv x', "$(python3 -c 'x')", "venv/bin/python tests/a.py"):
        assert [found["first"] for found in _SHELL.finditer(line)] not in ([], ["-P"]), line
    assert not _SHELL.search("uses: actions/setup-python@1 # python 3") and not _SHELL.search("python-version: 3.12")


# --- and so nothing of the working folder runs

LIBRARIES = {"numpy", "torch", "scipy", "sklearn", "click", "rich", "timm", "huggingface_hub", "platformdirs", "yaml"}
BEFORE = "import runpy, contextlib, typing, __future__, sys; print(*sys.modules)"
"""What `python -m lnbench` imports before the first line of ours that can do something about it."""
DECOY = """import os, sys
with open({log!r}, "a") as log:
    log.write(f"{{__name__}} in {{sys.orig_argv[:6]}}\\n")
raise ImportError("this is the file of a stranger")
"""


@pytest.fixture(scope="module")
def decoys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every module of Python's, and some of our libraries', has a file of its name."""
    folder = tmp_path_factory.mktemp("decoys")
    done = subprocess.run([sys.executable, "-I", "-c", BEFORE], capture_output=True, text=True, check=True)
    names = sys.stdlib_module_names | LIBRARIES | {"sitecustomize", "usercustomize"}
    for name in names - set(done.stdout.split()):
        (folder / f"{name}.py").write_text(DECOY.format(log=str(folder / "log")))
    (folder / "mine.py").write_text(tiny.POISONER)
    tiny.write(folder / "tiny.toml")
    return folder


def _run(decoys: Path, cache: Path, *arguments: str, **variables: str) -> None:
    """`python -m lnbench …` in that folder, its path as a checkout that is not installed has it."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LNBENCH_DATA") if name in os.environ}
    environment = {**kept, "PYTHONPATH": str(ROOT), "LNBENCH_CACHE": str(cache), **variables}
    interpreter = sys.executable  # without -P, as a user would
    done = subprocess.run(
        [interpreter, "-m", "lnbench", *arguments],
        cwd=decoys,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    ran = (decoys / "log").read_text() if (decoys / "log").exists() else ""
    assert (done.returncode, ran) == (0, ""), done.stderr


@pytest.mark.slow
def test_nothing_of_the_working_folder_is_run(decoys: Path, cache: Path) -> None:
    """Evaluating, and training a record's victims again."""
    _run(decoys, cache, "evaluate", "mine.py", "--quick", "--track", "tiny.toml", "--workers", "1")
    (record,) = (decoys / "records" / "tiny").glob("*.json")
    own = ("--track-file", "tiny.toml")
    _run(decoys, cache, "verify", str(record), "--repoison", "--retrain", "1", "--workers", "1", *own)


def test_the_path_of_the_command_itself(tmp_path: Path) -> None:
    """Entries of PYTHONPATH that mean the working folder go, the one that names a folder in full stays."""
    code = "from lnbench import __main__; __main__._leave_working_folder(); import sys; print(*sys.path, sep='\\n')"
    named = tmp_path / "named"
    named.mkdir()
    for entry in ("", ".", "named/.."):
        path = os.pathsep.join([str(named), entry, str(ROOT)])
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=True,
        )
        assert str(named) in done.stdout.splitlines() and str(tmp_path) not in done.stdout.splitlines()
