"""`lnbench leaderboard`: from records to the board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lnbench.cli import _complete, _result
from lnbench.text import interval, marked, points, probability, ranks

if TYPE_CHECKING:
    from lnbench.board.rows import BoardRow

_HEAD = ["rank", "poisoner", "score, pp", "95 % interval", "beats random", "trust"]
_WORDS = ["poisoner", "beats random", "trust"]

_folder = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("leaderboard"),
    show_default=True,
    help="The board's folder: records/TRACK/*.json, and what is made of them.",
)


@click.group("leaderboard")
def command() -> None:
    """Show, build and check the leaderboard, and add records to it.

    The board is a pure function of its records: the same records give the same bytes on every machine.
    """


@command.command("show")
@click.argument("track", required=False, shell_complete=_complete.tracks)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="A board's folder, with board.json in it. [default: the board that comes with lnbench]",
)
@_result.json_option
def show(track: str | None, folder: Path | None, as_json: bool) -> None:
    """Print the rows of TRACK, best first; of the default track if none is named.

    A row's rank is the range that its comparison with every other row leaves; "beats random" is corrected over the
    rows. `lnbench show ROW` prints a row's record, `lnbench compare ROW ROW` says how two differ.

    \b
      lnbench leaderboard show
      lnbench leaderboard show mnist10k-9to0
    """
    from lnbench.board import rows as board
    from lnbench.protocol.track import DEFAULT

    result, every, chosen = _result.Result(as_json), board.tables(folder), track or DEFAULT
    some = board.of_track(chosen, folder)
    for table in some:
        where = f"{table.track.name}, season {table.season}" if table.season else table.track.name
        result.say(f"{where}: {table.track.title}")
        result.table(_HEAD, [_cells(row) for row in table.rows], words=_WORDS)
    result.say("Score: how many points lower the victims' adversarial accuracy is than under as many random flips.")
    if others := [f"{table.track.name} ({len(table.rows)})" for table in every if table.track.name != chosen]:
        result.say(f"Other tracks with rows: {', '.join(others)}.")
    result.give([table.document for table in some])


def _cells(row: BoardRow) -> list[str]:
    """A row as text, in the order of the columns."""
    beats = "–" if row.beats_random is None else f"{row.beats_random} ({probability(row.p_holm)})"
    return [ranks(row.ranks), row.label, points(row.score.drop_pp), interval(row.score.ci95_pp), beats, row.trust]


@command.command("build")
@_folder
def build(folder: Path) -> None:
    """Write the board anew from its records."""
    from lnbench import board

    changed = board.build(folder / "records", folder)
    for path in changed:
        click.echo(f"changed: {path}")
    click.echo(f"the board in {folder} is what its records say.")


@command.command("check")
@_folder
def check(folder: Path) -> None:
    """Compare the board with its records, and the records with the data; exit code 1 if they differ.

    Rows whose data is not on this machine, or whose salt is still secret, are named.
    """
    from lnbench import board

    drifted = board.check(folder / "records", folder, tell=_tell)
    for path in drifted:
        click.echo(f"differs: {path}")
    if drifted:
        click.echo(f"error: {folder} is not what its records say; run `lnbench leaderboard build`.", err=True)
        raise click.exceptions.Exit(1)
    click.echo(f"the board in {folder} is what its records say.")


@command.command("add")
@click.argument(
    "records", metavar="RECORD...", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path)
)
@_folder
@click.option(
    "--submissions",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=None,
    help="Take only records of the files in this folder, as they are now.",
)
def add(records: tuple[Path, ...], folder: Path, submissions: Path | None) -> None:
    """Check records, copy them to the board's, all or none, and build the board."""
    from lnbench import board
    from lnbench.errors import ProtocolError

    for record in records:
        if not record.exists():
            raise ProtocolError(f"there is no record {record}.")
    for path in board.add(records, folder / "records", submissions=submissions, tell=_tell):
        click.echo(f"added: {path}")
    for path in board.build(folder / "records", folder):
        click.echo(f"changed: {path}")


@command.command("export")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@_folder
def export(out: Path, folder: Path) -> None:
    """Write every row to OUT as *Every Eval Ever* has evaluations: a shared schema with intervals and direction.

    OUT/data/lnbench/lnbench/NAME/UUID.json is where its datastore wants them. Files of rows that are no longer on the
    board are removed.
    """
    from lnbench import board
    from lnbench.board import every_eval_ever
    from lnbench.cli import _output

    files = every_eval_ever.files(board.load(folder / "records"))
    for path, content in files.items():
        _output.write_file(out / path, content)
    for left in set((out / "data" / "lnbench").rglob("*.json")) - {out / path for path in files}:
        left.unlink()
    click.echo(f"exported: {len(files)} rows to {out}, schema {every_eval_ever.SCHEMA}")


def _tell(sentence: str) -> None:
    click.echo(f"unchecked: {marked(sentence)}", err=True)


@command.command("attacks")
@click.option(
    "--attacks",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("attacks"),
    show_default=True,
    help="The folder of attacks: README.md, and strategies.toml, which lists what its table shows.",
)
@_folder
def attacks(attacks: Path, folder: Path) -> None:
    """Fill the scores of the records into the table of attacks/README.md."""
    from lnbench.board import strategies

    changed = strategies.write(attacks, folder / "records")
    click.echo(f"{'changed' if changed else 'unchanged'}: {attacks / 'README.md'}")
