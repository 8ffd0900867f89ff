"""Progress on stderr: a live bar for a terminal, a plain line every few seconds for a log."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Any

import click

from lnbench.text import marked

if TYPE_CHECKING:
    from rich.progress import TaskID

    from lnbench.evaluation.progress import Progress

_EVERY = 5.0
"""Seconds between two plain lines."""
_SETTLED = 0.03
"""Share of the work to be done here after which an estimate of the time left is worth showing."""
_WORDS = 66
"""Characters beside a bar: its stage, how far it is, and the time left."""
_STAGES = {"poison": "poisoning", "defend": "defending", "victims": "victims"}


class Lines:
    """Plain lines: the first and the last of a stage, and one every few seconds between."""

    def __init__(self) -> None:
        self._stage, self._at, self._said = "", 0.0, ""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, progress: Progress) -> None:
        """Take a report."""
        now, finished = time.monotonic(), progress.done >= progress.total
        if progress.stage == self._stage and now - self._at < _EVERY and not finished:
            return
        line = f"{_STAGES.get(progress.stage, progress.stage)}: {_text(progress)}"
        if line != self._said:
            click.echo(line, err=True)
        self._stage, self._at, self._said = progress.stage, now, line


class Bars:
    """One live bar per stage, by rich."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Display

        console = Console(stderr=True)
        self._display = Display(
            TextColumn("{task.description:<9}"),
            BarColumn(min(24, max(4, console.width - _WORDS))),
            TextColumn("{task.fields[text]}", markup=False),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._display.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._display.stop()

    def __call__(self, progress: Progress) -> None:
        """Take a report."""
        values: dict[str, Any] = {"completed": progress.done, "total": progress.total, "text": _text(progress)}
        if progress.stage not in self._tasks:
            name = _STAGES.get(progress.stage, progress.stage)
            self._tasks[progress.stage] = self._display.add_task(name, **values)
        else:
            self._display.update(self._tasks[progress.stage], **values)


def reporter() -> Bars | Lines:
    """Bars if stderr is a terminal, else lines. Use it as a context manager, call it with every report."""
    return Bars() if sys.stderr.isatty() else Lines()


def duration(seconds: float) -> str:
    """Seconds as a person says them.

    >>> duration(8.2), duration(75), duration(4000)
    ('9 s', '1 min 15 s', '1 h 07 min')
    """
    whole = math.ceil(max(seconds, 0.0))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = math.ceil(whole / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def _text(progress: Progress) -> str:
    """What there is to say of a report besides its stage."""
    done, total, reused = progress.done, progress.total, progress.reused
    parts = [f"{int(done)}/{int(total)} ({done / total if total else 1:.0%})"]
    if reused:
        parts.append(f"{reused} reused")
    if progress.seconds_left is not None and done < total and done - reused >= _SETTLED * (total - reused):
        parts.append(f"{duration(progress.seconds_left)} left")
    if progress.note:
        parts.append(marked(progress.note, lines=1))
    return ", ".join(parts)
