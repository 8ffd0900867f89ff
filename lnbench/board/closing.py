"""The end of a season: its rows are those on the board now, and from then on its salt is public."""

from __future__ import annotations

import datetime
from pathlib import Path

from lnbench.board import site, tables
from lnbench.record import seasons
from lnbench.record.seasons import Season


def close_season(folder: Path, name: str, salt: str, today: datetime.date) -> tuple[Season, list[Path]]:
    """Reveal the salt of a season of this board, fix its rows, and build the board anew.

    Args:
        folder: the board's folder, with `seasons.toml` and `records/` in it.

    Returns:
        The closed season, and the board's files that changed.

    Raises:
        ProtocolError, RecordError, UnavailableError: as `seasons.close_season`, `tables.load` and `site.build`.
    """
    board = tables.load(folder / "records")
    rows = [row.record.sha256 for t in (*board.tables, *board.history) if t.season == name for row in t.rows]
    season = seasons.close_season(folder / "seasons.toml", name, salt, rows, today)
    return season, site.build(folder / "records", folder) if (folder / "records").is_dir() else []
