"""Two ways onto a board: through its door, and past it."""

from __future__ import annotations

from pathlib import Path

from lnbench import record
from lnbench.board import add
from lnbench.record.record import Record


def put(board: Path, made: Record) -> Path:
    """A record on the board, through the front door."""
    record.write(made, board.parent / "made.json")
    (added,) = add([board.parent / "made.json"], board / "records")
    return added


def force(board: Path, made: Record) -> Path:
    """A record in the folder, past the door."""
    path = board / "records" / made.track.name / made.filename
    record.write(made, path)
    return path
