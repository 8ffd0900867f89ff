"""The table of attacks/README.md: what each strategy is, what the thesis said of it, and what the records say."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np

from lnbench.board.grid import grid
from lnbench.board.readme import between
from lnbench.board.row import Row
from lnbench.board.tables import Table, load
from lnbench.errors import ProtocolError, UnavailableError
from lnbench.files import write_atomically
from lnbench.record.score import t_interval
from lnbench.text import Markdown, interval, points

BEGIN, END = "<!-- scores -->\n", "<!-- end of scores -->\n"
BASELINE = "random_search"
"""The poisoner that every other is compared with."""
_COLUMNS = (
    "strategy",
    "row",
    "thesis",
    "its verdict",
    "targeted, pp",
    "minus random_search, pp",
    "surrogates a split",
    "seconds a split",
)


def render(attacks: Path, records: Path) -> str:
    """The README of a folder of attacks with the scores of the records between its markers.

    Args:
        attacks: holds `README.md` and `strategies.toml`.
        records: the board's folder of records.

    Raises:
        ProtocolError: if a file is missing, the README has no markers, or a strategy no row.
        RecordError: if a record may not be on the board.
    """
    try:
        text = (attacks / "README.md").read_text(encoding="utf-8")
        listed = tomllib.loads((attacks / "strategies.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ProtocolError(f"{attacks} needs a README.md and a strategies.toml that can be read: {error}.") from None
    strategies = listed.get("strategy", [])
    for strategy in strategies:
        if not isinstance(strategy, dict) or not {"row", "does"} <= set(strategy):
            raise ProtocolError(f"{attacks / 'strategies.toml'}: every strategy has a row and says what it does.")
    tables = [table for table in load(records).tables if table.season is None]
    parts = [_table(table, strategies, all_rows=not i) for i, table in enumerate(tables)]
    body = "\n".join(parts or [_table(None, strategies)])
    return between(text, BEGIN, END, f"\n{body}\n", attacks / "README.md")


def write(attacks: Path, records: Path) -> bool:
    """Fill in the README of a folder of attacks; whether it changed.

    Raises:
        ProtocolError, RecordError: as `render`; nothing is written then.
        UnavailableError: if the place cannot be written.
    """
    text, path = render(attacks, records), attacks / "README.md"
    if path.read_text(encoding="utf-8") == text:
        return False
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise UnavailableError(f"the table cannot be written to {path}: {error.strerror}.") from None
    return True


def _table(table: Table | None, strategies: list[dict[str, str]], all_rows: bool = True) -> str:
    """One track's rows; `all_rows` lists what has not been run too."""
    rows = {row.record.label: row for row in table.rows} if table else {}
    baseline, lines = _baseline(list(rows.values())), []
    for strategy in strategies:
        head = [strategy["does"], strategy["row"], strategy.get("section", "–"), strategy.get("verdict", "–")]
        if row := rows.get(strategy["row"]):
            lines.append(head + _measured(row, baseline))
        elif all_rows and strategy.get("always", True):
            lines.append([*head, "not run yet", "–", "–", "–"])
    title = Markdown("### {}\n\n").format(table.track.name) if table else ""
    if baseline and baseline.record.label != BASELINE:
        title += Markdown("Compared with {}, the {} of most trainings there is here.\n\n").format(
            baseline.record.label, BASELINE
        )
    return title + grid(_COLUMNS, lines)


def _baseline(rows: list[Row]) -> Row | None:
    """Random search as it comes, or else the one that trained most."""
    of_name = [row for row in rows if row.record.document["poisoner"]["name"] == BASELINE]
    return max(of_name, key=lambda row: (row.record.label == BASELINE, row.trainings), default=None)


def _measured(row: Row, baseline: Row | None) -> list[str]:
    document = row.record.document
    splits = len(document["trainings"])
    score = Markdown("**{}** {}").format(points(row.drop), interval(row.record.score["ci95_pp"]))
    seconds = float(np.mean(document["run"]["poison_seconds"]))
    return [score, _against(row, baseline), f"{row.trainings / splits:g}", f"{seconds:.1f}"]


def _against(row: Row, baseline: Row | None) -> str:
    """How much lower the row's AA is than the baseline's, paired by split, with its 95 % interval."""
    if baseline is None:
        return f"no record of {BASELINE}"
    if baseline is row:
        return "–"
    drop = t_interval(100 * (baseline.accuracies - row.accuracies))
    return Markdown("{} {}").format(points(drop.mean), interval(list(drop.ends) if drop.ends else None))
