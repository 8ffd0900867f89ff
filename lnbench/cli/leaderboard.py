"""`lnbench leaderboard`: from records to the board."""

from __future__ import annotations

from pathlib import Path

import click

from lnbench.text import marked

_folder = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("leaderboard"),
    show_default=True,
    help="The board's folder: records/TRACK/*.json, and what is made of them.",
)


@click.group("leaderboard")
def command() -> None:
    """Build and check the leaderboard, and add records to it.

    The board is a pure function of its records: the same records give the same bytes on every machine.
    """


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
