"""Places that cannot be written, names that are too long, and words that are not text: said, and said in time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import factories
import tiny
from lnbench import cli, record
from lnbench.errors import UnavailableError
from lnbench.evaluation import conductor
from lnbench.files import check_writable

LONG = "a" * 300


def lnbench(*args: str | Path) -> Result:
    return CliRunner().invoke(cli.cli, [str(arg) for arg in args])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a poisoner, a tiny track, a record, and a file where a folder could be."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "first.py").write_text(
        tiny.POISONER.replace("more: int", 'author = "A"\n    license = "MIT"\n    more: int')
    )
    tiny.write(tmp_path / "tiny.toml")
    record.write(factories.make(factories.small(2, 1)), tmp_path / "made.json")
    (tmp_path / "file").write_text("")
    return tmp_path


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any evaluation or audit fails the test."""

    def works(*_: object, **__: object) -> None:
        raise AssertionError("the work began")

    monkeypatch.setattr(conductor, "evaluate", works)
    monkeypatch.setattr("lnbench.trust.audit.audit", works)
    monkeypatch.setattr("lnbench.thesis.run.measure", works)


# --- before the work


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    "command",
    [
        "evaluate first.py --track tiny.toml --out file/below",
        f"evaluate first.py --track tiny.toml --out {LONG}",
        "evaluate first.py --track tiny.toml --budget 1,2 --out file/below",
        "evaluate first.py --track tiny.toml --out out --keep-victims file/below",
        "audit made.json --out file/below/audit.json",
        "tracks validate tiny.toml",
        "submit first.py --track tiny.toml",
        "reproduce fig02 --out file/below",
    ],
)
def test_a_place_that_cannot_be_written_is_noticed_before_the_work(command: str, folder: Path, cache: Path) -> None:
    (folder / "records").write_text("not a folder")
    result = lnbench(*command.split())
    assert result.exit_code == 3, (result.stderr, result.exception)
    assert "cannot be written" in result.stderr and not (folder / "out").exists()


def test_looking_whether_a_place_can_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    check_writable(tmp_path / "a" / "b")
    check_writable(tmp_path)
    for path in (tmp_path / "file", tmp_path / "file" / "x", tmp_path / "c" / LONG, Path("/proc/nothing")):
        with pytest.raises(UnavailableError, match="cannot be written"):
            check_writable(path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


# --- after it


def test_a_score_is_shown_even_if_its_record_cannot_be_written(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = factories.make(factories.small(2, 1), name="first")

    def evaluate(*_: object, **__: object) -> Any:
        Path("out").write_text("somebody was faster")
        return made

    monkeypatch.setattr(conductor, "evaluate", evaluate)
    result = lnbench("evaluate", "first.py", "--track", "tiny.toml", "--out", "out", "--json")
    assert result.exit_code == 3 and made.verdict in " ".join(result.stderr.split())
    assert result.stderr.splitlines()[-1].startswith("error: the record cannot be written to out/")
    assert record.parse(result.stdout.encode()).sha256 == made.sha256


# --- names of 300 characters


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    "command",
    [
        f"check {LONG}",
        f"check {LONG}.py",
        f"check {LONG}/first.py",
        f"check first.py --track {LONG}",
        f"check first.py --track {LONG}.toml",
        f"check first.py --set {LONG}=1",
        f"check first.py --set more={LONG}",
        f"evaluate {LONG}",
        f"evaluate {LONG}.py",
        f"submit {LONG}",
        f"new {LONG}",
        f"new x --folder {LONG}",
        f"show {LONG}",
        f"verify {LONG}.json",
        f"verify made.json --board {LONG}",
        f"audit {LONG}",
        f"audit made.json --board {LONG}",
        f"push {LONG} --repo a/b",
        f"power {LONG}",
        f"tracks show {LONG}",
        f"tracks validate {LONG}.toml",
        f"season open {LONG}",
        f"season open s1 --salt-file {LONG}",
        f"season list --folder {LONG}",
        f"leaderboard build --folder {LONG}",
        f"leaderboard check --folder {LONG}",
        f"leaderboard add {LONG}",
        f"leaderboard add made.json --folder {LONG}",
        f"leaderboard attacks --attacks {LONG}",
        f"rows labels tiny.toml --attacks {LONG}",
        f"rows labels tiny.toml --row {LONG}",
        f"rows add --folder {LONG}",
        f"reproduce {LONG}",
        f"reproduce --check --out {LONG}",
        f"{LONG}",
    ],
)
def test_a_name_of_300_characters_is_no_bug_of_ours(command: str, folder: Path) -> None:
    result = lnbench(*command.split())
    assert result.exit_code in (1, 2, 3), (result.exit_code, result.stderr[-300:], result.exception)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "verb", [["cache", "size"], ["cache", "path"], ["doctor"], ["check", "first.py", "--track", "tiny.toml"]]
)
def test_nor_is_such_a_cache(verb: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (LONG, "~nobody-at-all/x"):
        monkeypatch.setenv("LNBENCH_CACHE", value)
        result = lnbench(*verb)
        assert result.exit_code in (0, 2, 3), (result.exit_code, result.stderr, result.exception)


# --- words that are not UTF-8


def test_a_name_that_git_cannot_say_in_utf_8_is_left_out(folder: Path) -> None:
    subprocess.run(["git", "init", "-q"], check=True)
    with (folder / ".git" / "config").open("ab") as file:
        file.write(b"[user]\n\tname = J\xf6rg\n")
    result = lnbench("new", "mine")
    assert result.exit_code == 0, result.exception
    assert "git's user.name is not UTF-8" in result.stderr and 'author = ""' in (folder / "mine.py").read_text()
    with (folder / ".git" / "config").open("ab") as file:
        file.write("[user]\n\tname = Jörg\n".encode())
    assert lnbench("new", "other").stderr == "" and 'author = "Jörg"' in (folder / "other.py").read_text()


@pytest.mark.parametrize(
    "command",
    [
        [b"new", b"mine", b"--author", b"J\xf6rg"],
        [b"check", b"first.py", b"--set", b"more=\xff"],
        [b"verify", b"made.json", b"--sign", b"J\xf6rg"],
        [b"check", b"caf\xe9.py"],
        [b"check", b"first.py", b"--track", b"caf\xe9"],
        [b"season", b"open", b"caf\xe9"],
        [b"show", b"caf\xe9.json"],
    ],
)
def test_an_argument_that_is_not_utf_8_is_usage(command: list[bytes], folder: Path) -> None:
    done = subprocess.run([os.fsencode(sys.executable), b"-P", b"-m", b"lnbench", *command], capture_output=True)
    assert done.returncode == 2, done.stderr.decode(errors="replace")
    assert not (folder / "mine.py").exists()
