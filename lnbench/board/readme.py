"""The first rows of every ranked track, in the README of the repository that the board is in."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

from lnbench.board import forest
from lnbench.board.grid import grid
from lnbench.board.markdown import CLASSES, of_null, source_link, title
from lnbench.board.row import Row
from lnbench.board.tables import Board, Table
from lnbench.errors import ProtocolError
from lnbench.text import Markdown, cell, interval, plain, points, probability, ranks

BEGIN, END = "<!-- board:top -->\n", "<!-- /board:top -->\n"
ROWS = 5
_ALL = {1: "one row", 2: "both rows"}
"""How many rows a table has -> what is said of them if all are shown."""


def filled(root: Path, board: Board) -> str | None:
    """The README of a repository with the first rows of its board between the markers; None if it has no markers.

    Args:
        root: the folder that the board is in.

    Raises:
        ProtocolError: if the README cannot be read, or has the markers more than once or only one of them.
    """
    path = root / "README.md"
    if not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ProtocolError(f"{path} cannot be read: {error}.") from None
    if BEGIN.strip() not in text and END.strip() not in text:
        return None
    return between(text, BEGIN, END, "\n" + "\n".join(_block(table, root) for table in board.tables) + "\n", path)


def between(text: str, begin: str, end: str, body: str, path: Path) -> str:
    """A text with what stands between two lines replaced.

    Args:
        path: the file that the text is from.

    Raises:
        ProtocolError: unless it has exactly one such pair of lines.
    """
    present = re.findall(f"^{re.escape(begin)}.*?^{re.escape(end)}", text, flags=re.M | re.S)
    if len(present) != 1 or text.count(begin) != 1 or text.count(end) != 1:
        raise ProtocolError(f"{path} needs one pair of the lines {begin.strip()} and {end.strip()}.")
    return text.replace(present[0], f"{begin}{body}{end}")


def _block(table: Table, root: Path) -> Markdown:
    """The first rows of a table, and where the others are."""
    damage, own = table.track.damage is not None, any(row.own for row in table.rows)
    proof = ["own splits, pp"] if own else []
    classes = [CLASSES] if any(row.classes for row in table.rows) else []
    head = ["rank", "poisoner", *proof, "targeted, pp", *classes, "beats random", *(["damage, pp"] if damage else [])]
    first = table.rows[:ROWS]
    rows = [
        [
            ranks(row.ranks),
            _poisoner(row, root),
            *([_own(row)] if own else []),
            Markdown("**{}** {}").format(points(row.drop), interval(row.record.score["ci95_pp"])),
            *([interval(row.classes.ends) if row.classes else "–"] if classes else []),
            Markdown("{} {} ({})").format(forest.MARKS[forest.kind(row)], row.beats_random, probability(row.p_holm)),
            *([_damage(row)] if damage else []),
        ]
        for row in first
    ]
    many = len(table.rows)
    shown = f"the first {len(first)} of {many} rows" if many > len(first) else _ALL.get(many, f"all {many} rows")
    about = Markdown("**{}**, {}: {}.").format(title(table), plain(table.track.title), shown)
    if warning := of_null(table):
        about = Markdown("{} {}").format(about, warning)
    return Markdown("{}\n\n{}").format(about, grid(head, rows))


def _poisoner(row: Row, root: Path) -> Markdown:
    name, link = cell(row.record.label), source_link(row, root)
    return name if link is None else Markdown("[{}]({})").format(name, Markdown(quote(link, safe="/%")))


def _own(row: Row) -> Markdown:
    """The score on the splits that the row's own source draws."""
    if row.own is None:
        return Markdown("–")
    return Markdown("**{}** {}").format(points(row.own.score["drop_pp"]), interval(row.own.score["ci95_pp"]))


def _damage(row: Row) -> Markdown:
    damage = row.record.score.damage
    if not damage:
        return Markdown("–")
    return Markdown("{} {}").format(points(damage.drop_pp), interval(damage.ci95_pp))
