"""Tables in narrow terminals and colourful logs: every number and every row's name, whole."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

import factories
from lnbench import record
from lnbench.cli import _report, _tables, cli
from lnbench.protocol import track as tracks

HEAD = ["architecture", "ε", "AA clean", "random", "poisoned", "score, pp", "95 % interval"]
ROWS = [
    ["resnet18-of-some-kind", "0.0313725", "100.0", "88.9", "12.3", "−100.0", "[−11.6, +16.4]"],
    ["mlp", "0.3", "1.0", "–", "0.0", "+3.1", "–"],
    ["all", "", "87.0", "45.0", "36.3", "+8.7", "[+6.0, +11.5]"],
]
_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")


def _words(text: str) -> list[str]:
    return _ESCAPE.sub("", text).split()


def _shown(width: int) -> str:
    where = Console(file=io.StringIO(), width=width, force_terminal=True, highlight=False)
    _tables.show(where, HEAD, ROWS, bold=2)
    assert isinstance(where.file, io.StringIO) and where.width == width
    return _ESCAPE.sub("", where.file.getvalue())


@pytest.mark.parametrize("width", [*range(20, 100, 5), 120, 160, 200])
def test_no_width_cuts_a_number_or_a_rows_name(width: int) -> None:
    shown = _shown(width)
    assert "…" not in shown
    words = _words(shown)
    for row in ROWS:
        for cell in row:
            assert all(word in words for word in cell.split()), cell
    for row in ROWS:
        assert any(line.lstrip().startswith(row[0]) for line in shown.splitlines())


def test_what_fits_is_on_lines_of_the_terminals_width() -> None:
    for width in (70, 80, 100):
        assert max(map(len, _shown(width).splitlines())) <= width
    assert sum("[−11.6, +16.4]" in line for line in _shown(100).splitlines()) == 1
    assert "[−11.6," in _shown(70) and "[−11.6, +16.4]" not in _shown(70), "an interval breaks between its ends"


def test_what_does_not_fit_is_a_few_lines_for_each_row() -> None:
    lines = _shown(40).splitlines()
    assert max(map(len, lines)) <= 40
    at = lines.index("mlp")
    assert lines[at + 1 : at + 7] == [
        "  ε              0.3",
        "  AA clean       1.0",
        "  random         –",
        "  poisoned       0.0",
        "  score, pp      +3.1",
        "  95 % interval  –",
    ]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a record."""
    folder = tmp_path_factory.mktemp("tables")
    record.write(factories.make(tracks.load(tracks.DEFAULT), quick=True), folder / "made.json")
    return folder


VERBS = [
    "show made.json",
    "tracks",
    "power",
    "plan digits-9to0 mnist-9to0 --cell-seconds 7.25 --submissions 12",
]


@pytest.mark.parametrize("verb", VERBS)
def test_no_table_of_any_verb_cuts_a_number_or_a_name(
    verb: str, home: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers are those words that have a digit; the first column's names are in the table of 200 columns."""
    monkeypatch.chdir(home)

    def shown(width: int) -> str:
        where = Console(file=io.StringIO(), width=width, force_terminal=True, highlight=False)
        monkeypatch.setattr(_tables, "console", lambda *, err=False: where)
        done = CliRunner().invoke(cli, verb.split())
        assert done.exit_code == 0, done.output
        assert isinstance(where.file, io.StringIO)
        return _ESCAPE.sub("", where.file.getvalue())

    wide = _words(shown(200))
    assert len(wide) > 5
    for width in (40, 60, 90):
        text = shown(width)
        words, longest = _words(text), max(map(len, text.splitlines()))
        assert "…" not in text and longest <= max(width, max(map(len, words)) + 2), width
        missing = [word for word in wide if any(map(str.isdigit, word)) and word not in words]
        assert not missing, (width, missing)


def test_a_terminal_shows_what_a_pipe_gets(home: Path) -> None:
    """At 120 columns byte for byte but for the colours; at 80 the same tables."""
    command = [sys.executable, "-P", "-m", "lnbench", "show", str(home / "made.json")]
    piped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for columns in (120, 80):
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")} | {"TERM": "xterm"}
        subprocess.run(command, stdout=theirs, stderr=subprocess.DEVNULL, env=environment, check=True)
        os.close(theirs)
        seen = b""
        while data := _read(ours):
            seen += data
        os.close(ours)
        text = _ESCAPE.sub("", seen.decode()).replace("\r\n", "\n")
        assert "\x1b" in seen.decode()
        if columns == 120:
            assert text == piped
        shown, whole = ([line.split() for line in some.splitlines() if _row(line)] for some in (text, piped))
        assert shown == whole and len(shown) > 5  # with less space between columns, if they are many


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # its other end is closed
        return b""


def _row(line: str) -> bool:
    """Whether a line is one of a table's rows."""
    first, second, *_ = [*line.split(), "", ""]
    return first in ("clean", "random", "poisoned", "mlp", "cnn", "all") and second[:1].isdigit()


def test_the_tables_of_a_record_fit_into_60_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    where = Console(file=io.StringIO(), width=60, force_terminal=True, highlight=False)
    monkeypatch.setattr(_tables, "console", lambda err: where)
    made = factories.make(tracks.load(tracks.DEFAULT), quick=True)
    _report.print_record(made, err=False)
    assert isinstance(where.file, io.StringIO)
    shown = _ESCAPE.sub("", where.file.getvalue())
    assert max(map(len, shown.splitlines())) <= 60 and "…" not in shown
    words = _words(shown)
    for arm in ("clean", "random", "poisoned"):
        assert f"{100 * made.document['arms'][arm]['adv_acc']:.1f}" in words and arm in words


@pytest.mark.parametrize("columns", [None, "60", "20"])
def test_a_log_is_the_same_whatever_colours_are_forced(columns: str | None, tmp_path: Path) -> None:
    path = tmp_path / "made.json"
    record.write(factories.make(tracks.load(tracks.DEFAULT), quick=True), path)
    environment = {k: v for k, v in os.environ.items() if k != "COLUMNS"}
    environment |= {} if columns is None else {"COLUMNS": columns}
    command = [sys.executable, "-P", "-m", "lnbench", "show", str(path)]
    plain = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    forced = subprocess.run(
        command, env={**environment, "FORCE_COLOR": "1"}, capture_output=True, text=True, check=True
    )
    assert _ESCAPE.sub("", forced.stdout) == plain and "…" not in plain
    assert "95 % interval" in plain
