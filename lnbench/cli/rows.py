"""`lnbench rows`: the rows of the reference attacks, with labels from one machine and victims from another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lnbench.cli import _complete, _progress
from lnbench.text import marked

if TYPE_CHECKING:
    from lnbench.contribute.two_machines import RowResult

F = TypeVar("F", bound=Callable[..., Any])


def _options(function: F) -> F:
    """What both stages take."""
    for decorate in (
        click.option(
            "--workers",
            type=click.IntRange(1),
            default=None,
            help="Processes at a time. [default: one per core or GPU]",
        ),
        click.option(
            "--attacks",
            type=click.Path(file_okay=False, path_type=Path),
            default=Path("attacks"),
            show_default=True,
            help="The folder whose strategies.toml lists the rows.",
        ),
        click.option("--row", "rows", metavar="ROW", multiple=True, help="Only this row; may be repeated."),
        _folder,
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


@click.group("rows")
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
def labels(tracks: tuple[str, ...], folder: Path, rows: tuple[str, ...], attacks: Path, workers: int | None) -> None:
    """Make the labels of every row, in the sandbox; train nothing."""
    from lnbench.contribute import two_machines as many

    named = tracks or many.GPU_TRACKS, rows or many.reference_rows(attacks), folder
    with _progress.reporter() as report:
        code = _told(many.labels(*named, workers=workers, on_progress=report))
    raise click.exceptions.Exit(code)


@command.command("train")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cuda", show_default=True, help="Where to train.")
@_options
def train(
    tracks: tuple[str, ...],
    folder: Path,
    rows: tuple[str, ...],
    attacks: Path,
    workers: int | None,
    device: str,
) -> None:
    """Train and attack the victims of every row that has labels; run no submission, write records.

    random_flip goes first. If its record does not calibrate a track, that track's other rows are not trained.
    """
    from lnbench.contribute import two_machines as many

    named = tracks or many.GPU_TRACKS, rows or many.reference_rows(attacks), folder
    with _progress.reporter() as report:
        code = _told(many.train(*named, device=device, workers=workers, on_progress=report))
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
def add(folder: Path, board: Path) -> None:
    """Add the folder's records to the board, and build it; those that are there already stay."""
    from lnbench.board import build
    from lnbench.contribute import two_machines as many

    code = _told(many.add(folder, board))
    for path in build(board / "records", board):
        click.echo(f"changed: {path}")
    raise click.exceptions.Exit(code)


def _told(outcomes: Iterator[RowResult]) -> int:
    """One line an outcome as it comes; the gravest exit code among them."""
    codes = {0}
    for outcome in outcomes:
        what = f"{outcome.row} on {outcome.track}" if outcome.row else outcome.track
        if outcome.error is not None:
            codes.add(outcome.error.exit_code)
            click.echo(f"error: {what}: {marked(str(outcome.error))}", err=True)
        else:
            click.echo(f"done: {what}" + (f": {outcome.path}" if outcome.path else ""))
    return max(codes)
