"""Tables for a terminal or a log, in which no number and no row's name is ever cut."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

_WIDTH = 120
"""Characters of a line at most, and of one that does not go to a terminal: what is piped is what is seen."""
_INDENT = 2


def console(*, err: bool = False) -> Console:
    """Where tables and sentences go: as wide as the terminal, but no wider than where there is none."""
    made = Console(stderr=err, highlight=False)
    terminal = made.file.isatty()  # FORCE_COLOR makes a log colourful, not a terminal
    made.width = min(made.width, _WIDTH) if terminal else _WIDTH
    return made


def show(
    where: Console, head: Sequence[str], rows: Sequence[Sequence[str]], *, words: Sequence[str] = (), bold: int = -1
) -> None:
    """Print a table: its first column and those of words to the left, the others, numbers, to the right.

    Where a line would be too long, columns move together, and heads and words go on in the next line. Names in the
    first column and numbers stay whole: where even that is too long, each row becomes a few lines, a cell each.

    Args:
        rows: cells as text, (row, column).
        words: heads of columns that hold words.
        bold: place of the row in bold.
    """
    made = fitted(where.width, head, rows, words=words, bold=bold)
    if made is None:
        _stacked(where, head, rows, bold)
        return
    for part in ("", made, ""):
        where.print(part)


def fitted(
    width: int, head: Sequence[str], rows: Sequence[Sequence[str]], *, words: Sequence[str] = (), bold: int = -1
) -> Padding | None:
    """The table that `show` prints; None if names and numbers do not fit into lines of this width."""
    columns = list(zip(head, *rows, strict=True))
    whole = [max(map(cell_len, column)) for column in columns]
    least = [whole[0], *(_least(column, True) for column in columns[1:])]
    firm = [whole[0], *(_least(column, column[0] in words) for column in columns[1:])]
    gaps = len(columns) - 1
    narrow = 1 + sum(whole) + 3 * gaps > width
    if sum(least) + gaps > width:
        return None
    if sum(firm) + gaps <= width:
        least = firm  # intervals go on in the next line only where words alone would not make room
    gap = 2 if sum(least) + 2 * gaps <= width else 1
    widths = _shrunk(whole, least, width - gap * gaps) if narrow else whole
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    if narrow:
        table.padding, table.collapse_padding = (0, gap - 1, 0, 0), True
    for i, name in enumerate(head):
        left = i == 0 or name in words
        table.add_column(name, justify="left" if left else "right", width=widths[i])
    for i, row in enumerate(rows):
        table.add_row(*row, style="bold" if i == bold else None)
    return Padding(table, (0, 0, 0, 0 if narrow else 1), expand=False)


def _stacked(where: Console, head: Sequence[str], rows: Sequence[Sequence[str]], bold: int) -> None:
    """Print a table that is wider than its lines: a row's name, and below it a line for each cell."""
    side = max(map(cell_len, head[1:]), default=0) + _INDENT
    where.print()
    for i, (name, *cells) in enumerate(rows):
        where.print(Text(name, style="bold" if i == bold else ""), soft_wrap=True)
        for title, cell in zip(head[1:], cells, strict=True):
            if not cell:
                continue
            room = max(where.width - _INDENT - side, max(map(cell_len, cell.split()), default=1))
            first, *rest = textwrap.wrap(cell, room, break_long_words=False, break_on_hyphens=False) or [""]
            lines = [f"{title:<{side}}{first}".rstrip(), *(" " * side + line for line in rest)]
            for line in lines:
                where.print(Text(" " * _INDENT + line), soft_wrap=True)
    where.print()


def _least(column: Sequence[str], words: bool) -> int:
    """The width that a column needs: of its longest word, or if its cells are to stay whole, of the longest of them.

    >>> _least(["own splits, pp", "+6.6 [+4.1, +9.1]"], False), _least(["beats random", "yes (p < .001)"], True)
    (17, 6)
    """
    head, *cells = column
    parts = [*head.split(), *(part for cell in cells for part in (cell.split() if words else [cell]))]
    return max(map(cell_len, parts), default=0)


def _shrunk(whole: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Widths that fit into some room, if these least ones do: the widest give way first.

    >>> _shrunk([12, 8, 14], [12, 5, 7], 30), _shrunk([12, 8, 14], [12, 5, 7], 20)
    ([12, 8, 10], [12, 5, 7])
    """
    widths = list(whole)
    while sum(widths) > room and widths != list(least):
        slack = [width - low for width, low in zip(widths, least, strict=True)]
        widths[slack.index(max(slack))] -= 1
    return widths
