"""Progress in a notebook: one line of plain text that is written over, under the cell that runs."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

from lnbench.evaluation.progress import STAGES, OnProgress, Progress, words

_EVERY = 0.5
"""Seconds between two writings of the line."""


@contextlib.contextmanager
def reporting(wanted: OnProgress | None) -> Iterator[OnProgress | None]:
    """What progress is told: what a caller asked for; or else the cell's output, in a notebook.

    Args:
        wanted: the caller's own.
    """
    line = None if wanted is not None else _line()
    if line is None:
        yield wanted
        return
    try:
        yield line
    finally:
        line.end()


class Line:
    """The line of one cell.

    Args:
        handle: updates what IPython displays, as `IPython.display.display(…, display_id=True)` returns it.
    """

    def __init__(self, handle: Any) -> None:
        self._handle, self._at, self._text = handle, 0.0, ""

    def __call__(self, progress: Progress) -> None:
        """Take a report."""
        self._text = f"{STAGES.get(progress.stage, progress.stage)}: {words(progress)}"
        if time.monotonic() - self._at >= _EVERY:
            self.end()

    def end(self) -> None:
        """Write the last report that came."""
        self._at = time.monotonic()
        self._handle.update({"text/plain": self._text}, raw=True)


def _line() -> Line | None:
    """The line of the cell that runs, if this process is a notebook's kernel."""
    ipython: Any = sys.modules.get("IPython")  # not imported: a kernel has done so
    shell = None if ipython is None else ipython.get_ipython()
    if shell is None or not hasattr(shell, "kernel"):
        return None
    return Line(ipython.display.display({"text/plain": ""}, raw=True, display_id=True))
