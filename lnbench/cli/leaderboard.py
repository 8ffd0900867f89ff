"""`lnbench leaderboard`: from records to the board."""

from __future__ import annotations

from pathlib import Path

import click

from lnbench.cli import _groups, _options, _result
from lnbench.text import marked

_folder = _options.board_folder


@click.group("leaderboard", cls=_groups.Group)
def command() -> None:
    """Build and check the leaderboard, and add records to it.

    The board is a pure function of its records: the same records give the same bytes on every machine.
    """


@command.command("build")
@_folder
@_result.json_option
def build(folder: Path, as_json: bool) -> None:
    """Write the board anew from its records."""
    from lnbench import board

    result, changed = _result.Result(as_json), board.build(_records(folder), folder)
    for path in changed:
        result.say(f"changed: {path}")
    result.say(f"the board in {folder} is what its records say.")
    result.give({"changed": [str(path) for path in changed]})


@command.command("check")
@_folder
@_result.json_option
def check(folder: Path, as_json: bool) -> None:
    """Compare the board with its records, and the records with the data; exit code 1 if they differ.

    Rows whose data is not on this machine, or whose salt is still secret, are named.
    """
    from lnbench import board

    result, unchecked = _result.Result(as_json), list[str]()

    def tell(sentence: str) -> None:
        unchecked.append(sentence)
        _tell(sentence)

    drifted = board.check(_records(folder), folder, tell=tell)
    for path in drifted:
        result.say(f"differs: {path}")
    result.give({"differs": [str(path) for path in drifted], "unchecked": unchecked})
    if drifted:
        click.echo(f"error: {folder} is not what its records say; run `lnbench leaderboard build`.", err=True)
        raise click.exceptions.Exit(1)
    result.say(f"the board in {folder} is what its records say.")


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
@_result.json_option
def add(records: tuple[Path, ...], folder: Path, submissions: Path | None, as_json: bool) -> None:
    """Check records, copy them to the board's, all or none, and build the board."""
    from lnbench import board
    from lnbench.errors import ProtocolError

    for record in records:
        if not record.exists():
            raise ProtocolError(f"there is no record {record}.")
    result = _result.Result(as_json)
    added = board.add(records, folder / "records", submissions=submissions, tell=_tell)
    for path in added:
        result.say(f"added: {path}")
    changed = board.build(folder / "records", folder)
    for path in changed:
        result.say(f"changed: {path}")
    result.give({"added": [str(path) for path in added], "changed": [str(path) for path in changed]})


@command.command("export")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@_folder
@_result.json_option
def export(out: Path, folder: Path, as_json: bool) -> None:
    """Write every row to OUT as *Every Eval Ever* has evaluations: a shared schema with intervals and direction.

    OUT/data/lnbench/lnbench/NAME/UUID.json is where its datastore wants them. Files of rows that are no longer on the
    board are removed.
    """
    from lnbench import board
    from lnbench.board import every_eval_ever
    from lnbench.cli import _output

    files = every_eval_ever.files(board.load(_records(folder)))
    for path, content in files.items():
        _output.write_file(out / path, content)
    for left in set((out / "data" / "lnbench").rglob("*.json")) - {out / path for path in files}:
        left.unlink()
    result = _result.Result(as_json)
    result.say(f"exported: {len(files)} rows to {out}, schema {every_eval_ever.SCHEMA}")
    result.give({"files": [str(out / path) for path in files], "schema": every_eval_ever.SCHEMA})


def _records(folder: Path) -> Path:
    """The folder of a board's records, if it is there; raises ProtocolError."""
    return _options.existing(_options.existing(folder, "--board") / "records", "--board")


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
@_result.json_option
def attacks(attacks: Path, folder: Path, as_json: bool) -> None:
    """Fill the scores of the records into the table of attacks/README.md."""
    from lnbench.board import strategies

    result = _result.Result(as_json)
    changed = strategies.write(_options.existing(attacks, "--attacks"), _records(folder))
    result.say(f"{'changed' if changed else 'unchanged'}: {attacks / 'README.md'}")
    result.give({"changed": [str(attacks / "README.md")] if changed else []})
