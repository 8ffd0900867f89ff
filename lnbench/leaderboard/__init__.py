"""The leaderboard: a pure function of the committed records and the shipped tracks, byte for byte, without PyTorch."""

from lnbench.leaderboard.board import Board, Row, Table, load, records_in
from lnbench.leaderboard.site import add, build, check

__all__ = ["Board", "Row", "Table", "add", "build", "check", "load", "records_in"]
