"""Exit codes and the one sentence behind each."""

from __future__ import annotations

import errno
import os

import click
import pytest
from click.testing import CliRunner, Result

from lnbench import __main__, cli, errors


def _raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> Result:
    """What `lnbench doctor` ends in if it raises this."""

    @click.command("doctor")
    def broken() -> None:
        raise error

    monkeypatch.setattr("lnbench.cli.doctor.command", broken)
    return CliRunner().invoke(cli.cli, ["doctor"])


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.SubmissionError("mine.py: no."), 1),
        (errors.RecordError("r.json: no."), 1),
        (errors.ProtocolError("no such track."), 2),
        (errors.DataError("MNIST is missing."), 3),
        (errors.UnavailableError("no sandbox."), 3),
    ],
)
def test_an_expected_error_is_one_sentence(
    error: errors.LnbenchError, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = _raising(error, monkeypatch)
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", f"error: {error}\n")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "no space is left on the disk"),
        (errno.EROFS, "the file system is read-only"),
        (errno.EDQUOT, "the disk quota is used up"),
    ],
)
def test_a_full_disk_is_the_machines_fault(number: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    result = _raising(OSError(number, os.strerror(number), "/some/file"), monkeypatch)
    assert result.exit_code == 3
    assert result.stderr.startswith(f"error: {words} ('/some/file'); make room, or set LNBENCH_CACHE")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("error", [KeyError("x"), OSError(errno.EBADF, "odd"), AssertionError(), RecursionError()])
def test_anything_else_is_our_bug(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    result = _raising(error, monkeypatch)
    assert result.exit_code == 4
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.splitlines()[-1].startswith("error: this is a bug of lnbench, please report it")


def test_an_interruption_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    result = _raising(KeyboardInterrupt(), monkeypatch)
    assert result.exit_code == 130
    assert result.stderr == "error: interrupted; what was finished is kept, and the same command resumes from it.\n"


def test_an_interruption_of_an_extension_module_that_is_being_loaded_is_130_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """pybind11 raises an ImportError from it; found by the fault campaign."""
    failed = ImportError("initialization failed")
    failed.__cause__ = KeyboardInterrupt()
    assert _raising(failed, monkeypatch).exit_code == 130
    assert _raising(ImportError("initialization failed"), monkeypatch).exit_code == 4


def test_an_interruption_while_words_are_parsed_is_130_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse_args(*_: object) -> list[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(click.Group, "parse_args", parse_args)
    result = CliRunner().invoke(cli.cli, ["doctor"])
    assert (result.exit_code, result.stderr.split(";")[0]) == (130, "error: interrupted")


def test_an_interruption_before_the_command_line_is_imported_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "main", run)
    with pytest.raises(SystemExit) as end:
        __main__.main()
    assert end.value.code == 130
    assert capsys.readouterr().err == "error: interrupted; nothing was done yet.\n"


def test_a_refused_question_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _raising(click.Abort(), monkeypatch).exit_code == 130


def test_a_closed_pipe_is_left_to_click(monkeypatch: pytest.MonkeyPatch) -> None:
    result = _raising(BrokenPipeError(errno.EPIPE, "closed"), monkeypatch)
    assert (result.exit_code, result.stderr) == (1, "")


def test_a_strangers_text_reaches_the_terminal_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    """No escape sequence, no carriage return, no line that a CI reads as a command."""
    hostile = "mine.py: \x1b[2Jgone\rover\x07\n::add-mask::x\n\u202e::stop-commands::y"
    result = _raising(errors.SubmissionError(hostile), monkeypatch)
    assert result.exit_code == 1
    assert all(c.isprintable() or c == "\n" for c in result.stderr)
    first, *others = result.stderr.splitlines()
    assert first.startswith("error: mine.py: ") and others
    assert all(line.startswith("| ") for line in others)


def test_many_lines_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    result = _raising(errors.SubmissionError("\n".join(f"line {i}" for i in range(1000))), monkeypatch)
    assert result.stderr.splitlines()[-1] == "| … 960 more lines"
