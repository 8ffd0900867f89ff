"""Progress on stderr: a live bar for a terminal, a plain line every few seconds for a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from lnbench.evaluation.progress import STAGES, ArmSoFar, Progress, duration, words
from lnbench.text import share

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import TaskID

__all__ = ["Bars", "Lines", "duration", "reporter", "table"]

_EVERY = 5.0
"""Seconds between two plain lines."""
_WORDS = 66
"""Characters beside a bar: its stage, how far it is, and the time left."""


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
        line = f"{STAGES.get(progress.stage, progress.stage)}: {words(progress)}"
        if line != self._said:
            click.echo(line, err=True)
        self._stage, self._at, self._said = progress.stage, now, line


class Bars:
    """One live bar per stage and, while victims are trained, a table of adversarial accuracy so far, by rich."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Display

        self._console = Console(stderr=True)
        self._display = Display(
            TextColumn("{task.description:<9}"),
            BarColumn(min(24, max(4, self._console.width - _WORDS))),
            TextColumn("{task.fields[text]}", markup=False),
            console=self._console,
        )
        self._tasks: dict[str, TaskID] = {}
        self._arms: tuple[ArmSoFar, ...] = ()
        self._live = Live(console=self._console, get_renderable=self._shown, refresh_per_second=4)

    def __enter__(self) -> Bars:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._arms = ()  # the record's own table comes in its place
        self._live.stop()

    def __call__(self, progress: Progress) -> None:
        """Take a report."""
        values: dict[str, Any] = {"completed": progress.done, "total": progress.total, "text": words(progress)}
        self._arms = progress.arms
        if progress.stage not in self._tasks:
            name = STAGES.get(progress.stage, progress.stage)
            self._tasks[progress.stage] = self._display.add_task(name, **values)
        else:
            self._display.update(self._tasks[progress.stage], **values)

    def refresh(self) -> None:
        """Draw what was reported now, not at the next tick."""
        self._live.refresh()

    def _shown(self) -> RenderableType:
        """The bars, and below them the table."""
        from rich.console import Group

        return Group(self._display, *table(self._arms, self._console.width))


def table(arms: Sequence[ArmSoFar], width: int) -> list[RenderableType]:
    """AA so far and victims done, of every arm on every architecture; nothing where there are none, or no room.

    Args:
        width: characters of a line.
    """
    if not arms:
        return []
    from lnbench.cli import _tables

    names, rows = dict.fromkeys(one.arm for one in arms), dict[str, list[str]]()
    for one in arms:
        cells = rows.setdefault(one.architecture, [one.architecture])
        cells.append(f"{share(one.adv_acc)} {one.done}/{one.total}")
    made = _tables.fitted(width, ["", *names], [*rows.values()])
    return [] if made is None else ["AA so far, %, and victims done:", made]


def reporter() -> Bars | Lines:
    """Bars if stderr is a terminal, else lines. Use it as a context manager, call it with every report."""
    return Bars() if sys.stderr.isatty() else Lines()
