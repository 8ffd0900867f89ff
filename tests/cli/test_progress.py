"""Progress: bars for a terminal, few lines for a log."""

from __future__ import annotations

import time

import pytest

from lnbench.cli import _progress
from lnbench.evaluation.conductor import Progress


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


def test_a_log_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: False, raising=False)
    assert isinstance(_progress.reporter(), _progress.Lines)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert isinstance(_progress.reporter(), _progress.Bars)
