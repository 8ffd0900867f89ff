"""What the column `trust` says of a row: whether it may have been tuned to its splits, and who made it again.

- `self`: public salt, run by its author.
- `own splits`: a second record is there, on splits that its own source draws; who made that one again, in brackets.
- `season`: drawn by a salt that was secret while the row was made, and compared with it since.
  `season (open, unchecked)` while the salt is secret: nobody but who has it can compare.
- `said by “NAME”`: NAME states to have made its labels and some of its victims again; nothing shows who wrote that.
- `verified`: the same, in a statement whose signature can be checked.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lnbench.record.statement import Statement
from lnbench.text import plain


def statement_is_signed(statement: Statement) -> bool:
    """Whether a statement bears a signature that was checked when it was read."""
    return statement.verified


def trust(
    season: str | None,
    season_open: bool,
    statements: Sequence[Statement],
    *,
    own_splits: Sequence[Statement] | None = None,
) -> str:
    """The column's text.

    Args:
        season: whose salt drew the splits, or None.
        season_open: whether that salt is still secret.
        statements: of those who made the row again.
        own_splits: statements about its record on its own splits; None if it has none.
    """
    words = []
    if season is not None:
        words.append("season (open, unchecked)" if season_open else "season")
    if own_splits is not None:
        made = _made_again(own_splits)
        words.append(f"own splits ({made})" if made else "own splits")
    if made := _made_again(statements):
        words.append(made)
    return ", ".join(words) or "self"


def _made_again(statements: Sequence[Statement]) -> str:
    """Who made a record's labels and victims again; empty if nobody says so."""
    if any(map(statement_is_signed, statements)):
        return "verified"
    return f"said by {', '.join(sorted({_quoted(one.by) for one in statements}))}" if statements else ""


def _quoted(name: str) -> str:
    """A name between quotes that it cannot leave: it is anything that its owner wrote, `verified` too."""
    return f"“{re.sub('[“”„«»]', '', plain(name, 60))}”"
