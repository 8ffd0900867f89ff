"""`lnbench leaderboard`: from records to the board."""

from __future__ import annotations

from pathlib import Path

import click

_folder = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("leaderboard"),
    show_default=True,
    help="The board's folder: records/TRACK/*.json and what is made of them.",
)


@click.group("leaderboard")
def command() -> None:
    """Build and check the leaderboard, and add records to it.

    The board is a pure function of its records: the same records give the same bytes on every machine.
    """
