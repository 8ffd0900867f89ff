"""Tables for a terminal or a log, in which no number and no row's name is ever cut."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

_LOG_WIDTH = 120
"""Characters of a line that does not go to a terminal."""


def console(*, err: bool = False) -> Console:
    """Where tables and sentences go: as wide as the terminal, or 120 characters where there is none."""
    made = Console(stderr=err, highlight=False)
    if not made.file.isatty():  # FORCE_COLOR makes a log colourful, not a terminal
        made.width = _LOG_WIDTH
    return made


def show(
    where: Console, head: Sequence[str], rows: Sequence[Sequence[str]], *, words: Sequence[str] = (), bold: int = -1
) -> None:
    """Print a table; see `table`.

    Args:
        rows: cells as text, (row, column).
        words: heads of columns that hold words.
        bold: place of the row in bold.
    """
    made, needed = table(where.width, head, rows, words=words, bold=bold)
    width, where.width = where.width, max(where.width, needed)
    for part in [made] if made.show_edge else ["", made, ""]:
        where.print(part)
    where.width = width


def table(
    width: int, head: Sequence[str], rows: Sequence[Sequence[str]], *, words: Sequence[str] = (), bold: int = -1
) -> tuple[Table, int]:
    """A table, and the characters that its lines need: its first column and those of words to the left, the others,
    numbers, to the right.

    Where a line would be too long, columns move together, and heads and words go on in the next line. Names in the
    first column and numbers stay whole: where even that is too long, it is the terminal that breaks the lines.

    Args:
        width: characters of a line.
        rows, words, bold: as for `show`.
    """
    columns = list(zip(head, *rows, strict=True))
    whole = [max(map(cell_len, column)) for column in columns]
    least = [
        whole[0],
        *(max(cell_len(word) for cell in column for word in cell.split()) for column in columns[1:]),
    ]
    gaps = len(columns) - 1
    narrow = sum(whole) + 3 * gaps + 2 > width
    gap = 2 if sum(least) + 2 * gaps <= width else 1
    widths = _shrunk(whole, least, width - gap * gaps) if narrow else whole
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=not narrow)
    if narrow:
        made.padding, made.collapse_padding = (0, gap - 1, 0, 0), True
    for i, name in enumerate(head):
        left = i == 0 or name in words
        made.add_column(name, justify="left" if left else "right", width=widths[i])
    for i, row in enumerate(rows):
        made.add_row(*row, style="bold" if i == bold else None)
    return made, sum(widths) + 3 * gaps + 2


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
