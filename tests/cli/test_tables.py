"""Tables in narrow terminals and colourful logs: every number and every row's name, whole."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

import factories
from lnbench import record
from lnbench.cli import _report, _tables
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


@pytest.mark.parametrize("width", [*range(20, 100, 5), 200])
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
