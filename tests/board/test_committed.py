"""The committed board: what its records say, by every check there is."""

from __future__ import annotations

from pathlib import Path

from lnbench.board import check

BOARD = Path(__file__).resolve().parents[2] / "leaderboard"


def test_the_committed_board_holds() -> None:
    said: list[str] = []
    assert check(BOARD / "records", BOARD, tell=said.append) == [], "run `lnbench leaderboard build`"
    assert not [sentence for sentence in said if "digits" in sentence], "its data comes with scikit-learn"
