"""Markdown tables whose bytes depend on their cells alone."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import DataRow, TableFormat, tabulate

_LINE = DataRow("|", "|", "|")
_GRID = TableFormat(
    lineabove=None,
    linebelowheader=lambda widths, _: f"|{'|'.join(' --- ' for _ in widths)}|",
    linebetweenrows=None,
    linebelow=None,
    headerrow=_LINE,
    datarow=_LINE,
    padding=1,
    with_header_hide=(),
)


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A markdown table of escaped cells, without padding: else one long name would change every line.

    >>> print(grid(["a", "b"], [["1", "x"], ["22", ""]]), end="")
    | a | b |
    | --- | --- |
    | 1 | x |
    | 22 |  |
    """
    table: str = tabulate(rows, list(head), tablefmt=_GRID, stralign=None, disable_numparse=True)
    return f"{table}\n"
