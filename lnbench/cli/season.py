"""`lnbench season`: commit to a secret salt, and reveal it."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import Path

import click

from lnbench.cli import _groups, _options, _result


@click.group("season", cls=_groups.Group, default="list")
def command() -> None:
    """Open, close and list seasons, whose splits are drawn by a secret salt.

    Only whoever runs a season knows its salt, so no row can be tuned to its splits and seeds. Its
    commitment is published when it opens, the salt when it closes; from then on anybody can derive its rows again.

    \b
      lnbench season open 2026a
      lnbench evaluate submissions/yours.py --season 2026a --salt-file 2026a.salt
      lnbench leaderboard add records/digits-9to0/yours-01234567.json
      lnbench season close 2026a --salt-file 2026a.salt
    """


@command.command("open")
@click.argument("name")
@click.option(
    "--salt-file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Where the salt is kept; keep it secret, and do not lose it. [default: ./NAME.salt]",
)
@_options.board_folder
@_result.json_option
def open_(name: str, salt_file: Path | None, folder: Path, as_json: bool) -> None:
    """Draw a salt and publish its commitment."""
    from lnbench.record import seasons

    place = salt_file or Path(f"{name}.salt")
    _options.existing(folder, "--board")
    season = seasons.open_season(folder / "seasons.toml", name, place, datetime.datetime.now(datetime.UTC).date())
    result = _result.Result(as_json)
    result.say(f"season {name} is open, committed to {season.commitment}.")
    result.give(dataclasses.asdict(season))
    click.echo(
        f"commit {folder / 'seasons.toml'}, never {place}: whoever has the salt can tune to the splits.", err=True
    )


@command.command("close")
@click.argument("name")
@click.option(
    "--salt-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The file that `season open` made.",
)
@_options.board_folder
@_result.json_option
def close(name: str, salt_file: Path, folder: Path, as_json: bool) -> None:
    """Reveal the salt; the season's rows are those on the board now, each compared with the data first."""
    from lnbench import board
    from lnbench.record import seasons

    path, salt = _options.existing(folder, "--board") / "seasons.toml", seasons.read_salt(salt_file)
    seasons.check_salt(seasons.opened(seasons.read(path), name), salt)
    rows = board.season_rows(folder / "records", name, salt)
    today = datetime.datetime.now(datetime.UTC).date()
    season = seasons.close_season(path, name, salt, rows, today)
    result = _result.Result(as_json)
    result.say(f"season {name} is closed with {len(season.records)} rows; its salt is {season.salt}.")
    if (folder / "records").is_dir():
        for path in board.build(folder / "records", folder):
            result.say(f"changed: {path}")
    result.give(dataclasses.asdict(season))


@command.command("list")
@_options.board_folder
@_result.json_option
def list_(folder: Path, as_json: bool) -> None:
    """Show the seasons; a salt that is not the committed one is an error."""
    from lnbench.record import seasons

    path, result = _options.existing(folder, "--board") / "seasons.toml", _result.Result(as_json)
    there = list(seasons.read(path).values())
    for season in there:
        until = "open" if season.is_open else f"closed {season.closed}, {len(season.records)} rows, salt {season.salt}"
        result.say(f"{season.name}: opened {season.opened}, {until}, commitment {season.commitment}")
    if not there:
        result.say(f"{path} has no season; `lnbench season open NAME` opens one.")
    result.give([dataclasses.asdict(season) for season in there])
