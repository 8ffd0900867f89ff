"""The leaderboard: a pure function of the committed records and the shipped tracks, byte for byte, without PyTorch."""

from lnbench.board.row import Row
from lnbench.board.site import add, build, check, season_rows
from lnbench.board.tables import Board, Table, load

__all__ = ["Board", "Row", "Table", "add", "build", "check", "load", "season_rows"]
