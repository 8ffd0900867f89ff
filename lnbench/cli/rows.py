"""`lnbench rows`: the rows of the reference attacks, with labels from one machine and victims from another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lnbench.cli import _complete, _groups, _log, _progress, _result
from lnbench.cli import _options as _shared
from lnbench.text import marked

if TYPE_CHECKING:
    from lnbench.contribute.two_machines import RowResult

F = TypeVar("F", bound=Callable[..., Any])


def _options(function: F) -> F:
    """What both stages take."""
    for decorate in (
        _shared.workers_option,
        click.option(
            "--attacks",
            type=click.Path(file_okay=False, path_type=Path),
            default=Path("attacks"),
            show_default=True,
            help="The folder whose strategies.toml lists the rows.",
        ),
        click.option("--row", "rows", metavar="ROW", multiple=True, help="Only this row; may be repeated."),
        _folder,
        _result.json_option,
        click.argument("tracks", metavar="[TRACK]...", nargs=-1, shell_complete=_complete.tracks),
    ):
        function = decorate(function)
    return function


_folder = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("rows"),
    show_default=True,
    help="What travels: store/ with labels and victims' results, records/ with what was made of them.",
)


@click.group("rows", cls=_groups.Group)
def command() -> None:
    """Make the rows of the reference attacks on tracks that need a GPU.

    Labels are made where bubblewrap works, the folder is copied to the machine with the GPU, victims are trained there,
    and the folder is copied back. Every stage resumes: what the folder holds already is not made again. Without TRACK
    the stages go through all tracks that need a GPU.

    \b
      lnbench rows labels mnist-9to0                     # here
      rsync -a rows/ gpu:lnbench/rows/
      lnbench rows train mnist-9to0                      # there, in the same version of lnbench
      rsync -a gpu:lnbench/rows/ rows/
      lnbench tracks validate mnist-9to0 --record rows/records/mnist-9to0/random_flip-*.json
      lnbench rows add                                   # here, once the track says `calibrated = true`
    """


@command.command("labels")
@_options
def labels(
    tracks: tuple[str, ...],
    folder: Path,
    rows: tuple[str, ...],
    attacks: Path,
    workers: int | None,
    as_json: bool,
) -> None:
    """Make the labels of every row, in the sandbox; train nothing."""
    from lnbench.contribute import two_machines as many

    named = tracks or many.GPU_TRACKS, rows or many.reference_rows(attacks), folder
    result = _result.Result(as_json)
    with _progress.reporter() as report:
        code = _told(result, many.labels(*named, workers=workers, on_progress=report))
    raise click.exceptions.Exit(code)


@command.command("train")
@_shared.gpu_option
@_options
def train(
    tracks: tuple[str, ...],
    folder: Path,
    rows: tuple[str, ...],
    attacks: Path,
    workers: int | None,
    device: str,
    as_json: bool,
) -> None:
    """Train and attack the victims of every row that has labels; run no submission, write records.

    random_flip goes first. If its record does not calibrate a track, that track's other rows are not trained.
    """
    from lnbench.contribute import two_machines as many

    named = tracks or many.GPU_TRACKS, rows or many.reference_rows(attacks), folder
    result = _result.Result(as_json)
    with _progress.reporter() as report:
        code = _told(result, many.train(*named, device=device, workers=workers, on_progress=report))
    raise click.exceptions.Exit(code)


@command.command("add")
@_folder
@click.option(
    "--board",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("leaderboard"),
    show_default=True,
    help="The board's folder.",
)
@_result.json_option
def add(folder: Path, board: Path, as_json: bool) -> None:
    """Add the folder's records to the board, and build it; those that are there already stay."""
    from lnbench.board import build
    from lnbench.contribute import two_machines as many

    result, outcomes = _result.Result(as_json), list(many.add(folder, board))
    code, changed = _told(result, outcomes, give=False), build(board / "records", board)
    for path in changed:
        result.say(f"changed: {path}")
    result.give({"rows": [_entry(outcome) for outcome in outcomes], "changed": [str(path) for path in changed]})
    raise click.exceptions.Exit(code)


def _told(result: _result.Result, outcomes: Iterable[RowResult], *, give: bool = True) -> int:
    """One line an outcome as it comes, and a document of them at the end; the gravest exit code among them."""
    codes, entries = {0}, []
    for outcome in outcomes:
        entries.append(_entry(outcome))
        what = f"{outcome.row} on {outcome.track}" if outcome.row else outcome.track
        if outcome.error is not None:
            codes.add(outcome.error.exit_code)
            click.echo(f"error: {what}: {marked(str(outcome.error))}", err=True)
            _log.under(outcome.error)
        else:
            result.say(f"done: {what}" + (f": {outcome.path}" if outcome.path else ""))
    if give:
        result.give({"rows": entries})
    return max(codes)


def _entry(outcome: RowResult) -> dict[str, Any]:
    """What became of a row, for a document."""
    return {
        "track": outcome.track,
        "row": outcome.row,
        "record": None if outcome.path is None else str(outcome.path),
        "error": None if outcome.error is None else str(outcome.error),
    }
