"""Progress: bars for a terminal, few lines for a log."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from lnbench.cli import _progress
from lnbench.evaluation.progress import ArmSoFar, Progress


class _Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def test_lines_come_at_the_ends_and_every_few_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = _Clock(monkeypatch)
    with _progress.Lines() as report:
        report(Progress("poison", 0, 2, 0, None, "mine on tiny"))
        report(Progress("poison", 2, 2, 0, 0.0, "mine on tiny"))
        for second in range(12):
            clock.now = 100.0 + second
            report(Progress("victims", 16 + 0.5 * second, 64, 16, 61.0 - second))
        report(Progress("victims", 64, 64, 16, 0.0))
        report(Progress("victims", 64, 64, 16, 0.0))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "poisoning: 0/2 (0%), mine on tiny",
        "poisoning: 2/2 (100%), mine on tiny",
        "victims: 16/64 (25%), 16 reused",
        "victims: 18/64 (29%), 16 reused, 56 s left",
        "victims: 21/64 (33%), 16 reused, 51 s left",
        "victims: 64/64 (100%), 16 reused",
    ]


def test_an_early_estimate_is_not_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with _progress.Lines() as report:
        report(Progress("victims", 16.01, 64, 16, 99999.0))
    assert "left" not in capsys.readouterr().err


def test_a_note_is_one_harmless_line(capsys: pytest.CaptureFixture[str]) -> None:
    with _progress.Lines() as report:
        report(Progress("poison", 0, 2, 0, None, "\x1b[31mred"))
    assert "\x1b" not in capsys.readouterr().err


def test_nothing_to_do_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with _progress.Lines() as report:
        report(Progress("victims", 0, 0, 0, None))
    assert capsys.readouterr().err == "victims: 0/0 (100%)\n"


def test_bars_draw_on_stderr_and_take_markup_literally(capsys: pytest.CaptureFixture[str]) -> None:
    with _progress.Bars() as report:
        report(Progress("poison", 1, 2, 0, None, "[red]mine"))
        report(Progress("poison", 2, 2, 0, None, "[red]mine"))
    out, err = capsys.readouterr()
    assert out == "" and "poisoning" in err and "2/2 (100%), [red]mine" in err


ARMS = tuple(
    ArmSoFar(architecture, arm, done, 96, adv_acc)
    for architecture in ("mlp", "cnn")
    for arm, done, adv_acc in (("clean", 96, 0.8694), ("random", 48, 0.4503), ("poisoned", 0, None))
)


@pytest.mark.parametrize("width", [40, 60, 120])
def test_the_table_has_aa_so_far_and_victims_done_and_cuts_nothing(width: int) -> None:
    console = Console(width=width, file=io.StringIO(), record=True)
    console.print(*_progress.table(ARMS, width), sep="\n")
    head, *lines = console.export_text().splitlines()
    assert head == "AA so far, %, and victims done:" and all(len(line.rstrip()) <= width for line in lines)
    shown = " ".join(lines).split()
    assert shown.count("86.9") == shown.count("45.0") == shown.count("–") == 2
    assert shown.count("96/96") == shown.count("48/96") == shown.count("0/96") == 2
    assert _progress.table((), width) == []


def test_the_table_stands_below_the_bars_while_victims_train_and_goes_at_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", stderr := io.StringIO())
    monkeypatch.setattr(stderr, "isatty", lambda: True)
    with _progress.Bars() as report:
        report(Progress("poison", 2, 2, 0, None))
        report(Progress("victims", 144, 576, 0, 75.0, arms=ARMS))
        report.refresh()
        assert "1 min 15 s left" in stderr.getvalue() and "48/96" in stderr.getvalue()
        before = len(stderr.getvalue())
    assert "victims" in (last := stderr.getvalue()[before:].rpartition("\x1b[1A")[2]) and "48/96" not in last


def test_a_log_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    assert isinstance(_progress.reporter(), _progress.Lines)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert isinstance(_progress.reporter(), _progress.Bars)
