"""`lnbench leaderboard`: from records to the board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lnbench.cli import _complete, _groups, _options, _result
from lnbench.text import interval, marked, points, probability, ranks

if TYPE_CHECKING:
    from lnbench.board.rows import BoardRow

_folder = _options.board_folder
_OWN = "own splits, pp"
_HEAD = ["rank", "poisoner", "targeted, pp", "95 % interval", "beats random", "trust"]
_WORDS = ["poisoner", "beats random", "trust"]


@click.group("leaderboard", cls=_groups.Group)
def command() -> None:
    """Show, build and check the leaderboard, and add records to it.

    The board is a pure function of its records: the same records give the same bytes on every machine.
    """


@command.command("show")
@click.argument("track", required=False, shell_complete=_complete.tracks)
@click.option(
    "--board",
    "--folder",
    "folder",
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
        own = any(row.own_splits for row in table.rows)
        head = [*_HEAD[:2], *([_OWN] if own else []), *_HEAD[2:]]
        result.table(head, [_cells(row, own) for row in table.rows], words=_WORDS)
    result.say("Score: how many points lower the victims' targeted AA is than under as many random flips.")
    if others := dict.fromkeys(table.track.name for table in every if table.track.name != chosen):
        counted = (f"{name} ({sum(len(t.rows) for t in every if t.track.name == name)})" for name in others)
        result.say(f"Other tracks with rows: {', '.join(counted)}.")
    result.give([table.document for table in some])


def _cells(row: BoardRow, own: bool) -> list[str]:
    """A row as text, in the order of the columns; `own` if that of its own splits is among them."""
    proof = (
        f"{points(row.own_splits.score.drop_pp)} {interval(row.own_splits.score.ci95_pp)}" if row.own_splits else "–"
    )
    beats = "–" if row.beats_random is None else f"{row.beats_random} ({probability(row.p_holm)})"
    first = [ranks(row.ranks), row.label, *([proof] if own else [])]
    return [*first, points(row.score.drop_pp), interval(row.score.ci95_pp), beats, row.trust]


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
