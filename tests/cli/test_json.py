"""Results on stdout, progress on stderr, and `--json` in every verb that has a result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import factories
import tiny
from lnbench import record
from lnbench.cli import cli
from lnbench.protocol import track as tracks

WITHOUT = {"new", "completion"}
"""Verbs that print no result: what to do next, and a script for a shell."""


def lnbench(*args: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(arg) for arg in args])


def _verbs(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every verb of the command line by its full name."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for part in command.list_commands(context):
            below = command.get_command(context, part)
            assert below is not None
            yield from _verbs(below, f"{name} {part}".strip())
    else:
        yield name, command


def test_every_verb_with_a_result_gives_it_as_json() -> None:
    without = {name for name, verb in _verbs(cli) if not any("--json" in parameter.opts for parameter in verb.params)}
    assert without <= WITHOUT


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a poisoner, a tiny track, a quick record, and a board without rows."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "first.py").write_text(tiny.POISONER)
    tiny.write(folder / "tiny.toml")
    record.write(factories.make(tracks.load(tracks.DEFAULT), quick=True), folder / "made.json")
    (folder / "leaderboard" / "records").mkdir(parents=True)
    return folder


VERBS: dict[str, tuple[type, int]] = {
    "tracks": (list, 0),
    "tracks list": (list, 0),
    "tracks show": (dict, 0),
    "tracks validate tiny.toml --rules": (list, 0),
    "check first.py --track tiny.toml": (dict, 0),
    "show made.json": (dict, 0),
    "verify made.json": (dict, 0),
    "verify first.py": (dict, 1),
    "power": (dict, 0),
    "plan digits-9to0 --cell-seconds 5 --device cpu --submissions 2": (dict, 0),
    "doctor": (dict, 0),
    "cache": (dict, 0),
    "cache path": (dict, 0),
    "cache size": (dict, 0),
    "cache clear --yes": (dict, 0),
    "season": (list, 0),
    "season open s1 --salt-file s1.salt": (dict, 0),
    "season list": (list, 0),
    "season close s1 --salt-file s1.salt": (dict, 0),
    "leaderboard build": (dict, 0),
    "leaderboard check": (dict, 0),
    "leaderboard export out": (dict, 0),
    "reproduce --list": (list, 0),
}


@pytest.mark.parametrize("command", VERBS)
def test_the_document_is_all_that_is_on_stdout(
    command: str, home: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    kind, code = VERBS[command]
    done = lnbench(*command.split(), "--json")
    assert done.exit_code == code, done.output
    document = json.loads(done.stdout)
    assert type(document) is kind and document != {}
    assert "\x1b" not in done.stdout


def test_words_and_document_say_the_same(home: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    for command in ("verify made.json", "power", "tracks list"):
        words, document = lnbench(*command.split()), lnbench(*command.split(), "--json")
        assert words.stdout and words.exit_code == document.exit_code == 0
        assert [line.split(", ")[0] for line in words.stdout.splitlines()] == [
            line.split(", ")[0] for line in document.stderr.splitlines() if not line.startswith("note: ")
        ], command


@pytest.mark.parametrize("group", ["", "tracks", "season", "cache", "leaderboard", "rows", "truth", "hub", "suite"])
def test_a_group_without_a_verb_says_what_there_is(
    group: str, home: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    done = lnbench(*group.split())
    assert done.exit_code == 0 and done.stdout and not done.stderr
    assert lnbench(*group.split(), "--help").exit_code == 0
    assert lnbench(*group.split(), "--no-such-option").exit_code == 2


def test_what_a_failure_leaves_on_stdout_is_nothing(home: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    for command in ("check none.py", "show first.py", "verify none.json", "power none", "audit first.py"):
        done: Any = lnbench(*command.split(), "--json")
        assert done.exit_code in (1, 2) and done.stdout == "" and done.stderr, command
