"""A submission's log under its error: where its traceback is, and harmless to a terminal and to a CI's log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import tiny
from lnbench.cli import cli
from lnbench.errors import SubmissionError
from lnbench.text import marked

HOSTILE = "\n".join(
    [
        "::add-mask::secret",
        "  ::stop-commands::x",
        "##[group]mine",
        "a ##[error]in the middle ###[set-output]",
        "\x1b[2J\x1b]0;title\x07gone",
        "over\rwritten",
        "\u202ereversed",
        "\x9b31m\x85next\u2028line",
        "\x00\x08\x7f",
    ]
)


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """A poisoner's file and a tiny track, as arguments."""
    (tmp_path / "first.py").write_text(tiny.POISONER)
    return [str(tmp_path / "first.py"), "--track", str(tiny.write(tmp_path / "tiny.toml"))]


def run(verb: str, *arguments: str) -> Result:
    return CliRunner().invoke(cli, [verb, *arguments])


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the submission printed before it failed."""
    lines: list[str] = []

    def fails(*_: object, **__: object) -> None:
        error: Any = SubmissionError("first.py: poison() raised ValueError in line 6; the log has the traceback.")
        error.log = "\n".join(lines)
        raise error

    monkeypatch.setattr("lnbench.evaluation.label_runs.poison", fails)
    return lines


@pytest.mark.parametrize("verb", ["check", "evaluate"])
def test_the_end_of_the_log_stands_under_the_error(verb: str, files: list[str], log: list[str], cache: Path) -> None:
    log += [f"line {i}" for i in range(45)]
    result = run(verb, *files)
    assert result.exit_code == 1 and result.stdout == ""
    lines = result.stderr.splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("error: first.py: poison() raised"))
    assert lines[at + 1] == "  | … 5 lines before these; --log shows all"
    assert lines[at + 2 :] == [f"  | line {i}" for i in range(5, 45)]
    whole = run(verb, *files, "--log").stderr.splitlines()
    assert whole[-45:] == [f"  | line {i}" for i in range(45)] and not any("before these" in line for line in whole)


def test_a_tracebacks_indentation_stays(files: list[str], log: list[str]) -> None:
    log += ['  File "first.py", line 6, in poison', "    return a @ a", "\t  ~~^~~"]
    assert run("check", *files).stderr.splitlines()[-3:] == [
        '  |   File "first.py", line 6, in poison',
        "  |     return a @ a",
        "  |       ~~^~~",
    ]


def test_a_log_that_is_empty_adds_nothing(files: list[str], log: list[str]) -> None:
    assert run("check", *files).stderr.splitlines()[-1].startswith("error: first.py")


def test_no_byte_of_a_log_acts_on_a_terminal_or_a_workflow(files: list[str], log: list[str]) -> None:
    log.append(HOSTILE)
    result = run("check", *files)
    shown = result.stderr.splitlines()[1:]
    assert len(shown) > 9 and all(line.startswith("  | ") for line in shown)
    assert all(c.isprintable() or c == "\n" for c in result.stderr)
    assert "##[" not in result.stderr
    assert not any(line.lstrip().startswith("::") for line in result.stderr.split("\n"))


def test_nothing_of_an_error_does_either() -> None:
    said = marked(f"mine.py: {HOSTILE}")
    assert "##[" not in said and all(c.isprintable() or c == "\n" for c in said)
    assert not any(line.lstrip().startswith("::") for line in said.split("\n"))


@pytest.fixture
def talkative(files: list[str], tmp_path: Path) -> list[str]:
    """The same arguments, for a file that prints, and a word that acts on a terminal."""
    path = tmp_path / "first.py"
    path.write_text(
        tiny.POISONER.replace(
            "        return", '        print("::debug::split\\x1b[2J", problem.split)\n        return'
        )
    )
    return files


def test_check_shows_what_a_valid_submission_printed(talkative: list[str]) -> None:
    assert "::debug" not in run("check", *talkative).stderr
    shown = run("check", *talkative, "--log")
    assert shown.exit_code == 0 and shown.stderr.splitlines() == [
        line for split in (0, 1) for line in (f"split {split} printed:", f"  | ::debug::split\ufffd[2J {split}")
    ]


def test_without_a_sandbox_prints_go_through(talkative: list[str], cache: Path) -> None:
    for verb in (["check"], ["evaluate", "--quick", "--workers", "1"]):
        shown = run(*verb, *talkative, "--unsafe-no-sandbox")
        assert shown.exit_code == 0 and "  | ::debug::split\ufffd[2J 1" in shown.stderr.splitlines()
        assert "::debug" not in shown.stdout


def test_a_file_takes_the_whole_log(talkative: list[str], tmp_path: Path, cache: Path) -> None:
    place = tmp_path / "logs" / "mine.txt"
    done = run("check", *talkative, "--log-file", str(place))
    assert done.exit_code == 0 and "::debug" not in done.stderr
    assert place.read_text() == "".join(f"split {i} printed:\n::debug::split\ufffd[2J {i}\n" for i in (0, 1))
    refused = run("check", *talkative, "--log-file", str(tmp_path / "first.py" / "x"))
    assert refused.exit_code == 3 and "cannot be written" in refused.stderr


def test_a_file_takes_the_log_of_a_failure(files: list[str], log: list[str], tmp_path: Path) -> None:
    log += [f"line {i}" for i in range(45)]
    done = run("check", *files, "--log-file", str(tmp_path / "log"))
    assert done.exit_code == 1 and "5 lines before these" in done.stderr
    assert (tmp_path / "log").read_text().splitlines() == log
