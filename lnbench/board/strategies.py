"""The table of attacks/README.md: what each strategy is, what the thesis said of it, and what the records say."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import numpy as np

from lnbench.board.grid import grid
from lnbench.board.tables import Row, Table, load
from lnbench.errors import ProtocolError, UnavailableError
from lnbench.record.score import t_interval
from lnbench.text import cell, interval, points

BEGIN, END = "<!-- scores -->\n", "<!-- end of scores -->\n"
JUDGE = "random_search"
_COLUMNS = (
    "strategy",
    "row",
    "thesis",
    "its verdict",
    "score, pp",
    "less random_search, pp",
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
    found = re.findall(f"{BEGIN}.*?{END}", text, flags=re.S)
    if len(found) != 1:
        raise ProtocolError(f"{attacks / 'README.md'} needs one pair of the lines {BEGIN.strip()} and {END.strip()}.")
    tables = [table for table in load(records).tables if table.season is None]
    parts = [_table(table, strategies, all_rows=not i) for i, table in enumerate(tables)]
    body = "\n".join(parts or [_table(None, strategies)])
    return text.replace(found[0], f"{BEGIN}\n{body}\n{END}")


def write(attacks: Path, records: Path) -> bool:
    """Fill in the README of a folder of attacks; whether it changed.

    Raises:
        ProtocolError, RecordError: as `render`; nothing is written then.
        UnavailableError: if the place cannot be written.
    """
    text, path = render(attacks, records), attacks / "README.md"
    if path.read_text(encoding="utf-8") == text:
        return False
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    except OSError as error:
        raise UnavailableError(f"the table cannot be written to {path}: {error.strerror}.") from None
    return True


def _table(table: Table | None, strategies: list[dict[str, str]], all_rows: bool = True) -> str:
    """One track's rows; `all_rows` lists what has not been run too."""
    rows = {row.record.label: row for row in table.rows} if table else {}
    judge, lines = _judge(list(rows.values())), []
    for strategy in strategies:
        said = [strategy.get("section", "–"), strategy.get("verdict", "–")]
        head = [strategy["does"], strategy["row"], *said]
        if row := rows.get(strategy["row"]):
            lines.append([cell(part) for part in head] + _measured(row, judge))
        elif all_rows and strategy.get("always", True):
            lines.append([cell(part) for part in head] + _missing())
    title = f"### {cell(table.track.name)}\n\n" if table else ""
    if judge and judge.record.label != JUDGE:
        title += f"Judged against {cell(judge.record.label)}, the {cell(JUDGE)} of most trainings there is here.\n\n"
    return title + grid(_COLUMNS, lines)


def _judge(rows: list[Row]) -> Row | None:
    """Random search as it comes, or else the one that trained most."""
    of_name = [row for row in rows if row.record.document["poisoner"]["name"] == JUDGE]
    return max(of_name, key=lambda row: (row.record.label == JUDGE, row.trainings), default=None)


def _measured(row: Row, judge: Row | None) -> list[str]:
    document = row.record.document
    splits = len(document["trainings"])
    score = f"**{points(row.drop)}** {interval(row.record.score['ci95_pp'])}"
    seconds = float(np.mean(document["run"]["poison_seconds"]))
    return [score, _against(row, judge), f"{row.trainings / splits:g}", f"{seconds:.1f}"]


def _against(row: Row, judge: Row | None) -> str:
    """How much lower the row's AA is than the judge's, paired by split, with its 95 % interval."""
    if judge is None:
        return f"no record of {cell(JUDGE)}"
    if judge is row:
        return "–"
    found = t_interval(100 * (judge.accuracies - row.accuracies))
    return f"{points(found.mean)} {interval(list(found.ends) if found.ends else None)}"


def _missing() -> list[str]:
    return ["not run yet", "–", "–", "–"]
