"""What the column `trust` says of a row, from the weakest to the strongest: self, own splits, said, verified, season.

- `self`: public salt, run by its author.
- `own splits`: a second record is there, on splits that its own source draws: nothing in it was chosen on them.
- `said by “NAME”`: NAME states to have made its labels and some of its victims again; nothing shows who wrote that.
- `verified`: the same, in a statement whose signature can be checked.
- `season`: drawn by a salt that was secret while the row was made, and compared with it since.
  `season (open, unchecked)` while the salt is secret: nobody but who has it can compare.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lnbench.record.statement import Statement
from lnbench.text import plain


def statement_is_signed(statement: Statement) -> bool:
    """Whether a statement bears a signature that was checked when it was read."""
    return statement.verified


def trust(season: str | None, season_open: bool, statements: Sequence[Statement], *, own_splits: bool = False) -> str:
    """The column's text.

    Args:
        season: whose salt drew the splits, or None.
        season_open: whether that salt is still secret.
        statements: of those who made the row again.
        own_splits: whether it has a record on its own splits.
    """
    words = []
    if season is not None:
        words.append("season (open, unchecked)" if season_open else "season")
    if own_splits:
        words.append("own splits")
    if any(map(statement_is_signed, statements)):
        words.append("verified")
    elif statements:
        words.append(f"said by {', '.join(sorted({_quoted(statement.by) for statement in statements}))}")
    return ", ".join(words) or "self"


def _quoted(name: str) -> str:
    """A name between quotes that it cannot leave: it is anything that its owner wrote, `verified` too."""
    return f"“{re.sub('[“”„«»]', '', plain(name, 60))}”"
