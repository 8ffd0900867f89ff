"""Markdown tables whose bytes depend on their cells alone."""

from __future__ import annotations

from collections.abc import Sequence

from tabulate import DataRow, TableFormat, tabulate

from lnbench.text import Markdown, markdown

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


def grid(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Markdown:
    """A markdown table, without padding: else one long name would change every line. Cells that are not Markdown are
    escaped.

    >>> print(grid(["a", "b"], [["1", "x|y"], ["22", ""]]), end="")
    | a | b |
    | --- | --- |
    | 1 | x\\|y |
    | 22 |  |
    """
    cells = [[str(markdown(value)) for value in row] for row in rows]
    table: str = tabulate(cells, list(head), tablefmt=_GRID, stralign=None, disable_numparse=True)
    return Markdown(f"{table}\n")
