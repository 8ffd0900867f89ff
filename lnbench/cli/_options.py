"""Arguments that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def submission(function: F) -> F:
    """The submission, its parameters, its track, and the permission to run it unboxed."""
    for decorate in (
        click.option(
            "--unsafe-no-sandbox",
            is_flag=True,
            help="Run the submission in a plain subprocess, with all your rights. Never ranked.",
        ),
        click.option(
            "--set",
            "settings",
            metavar="NAME=VALUE",
            multiple=True,
            callback=_pairs,
            help="Set a parameter of the poisoner; may be repeated.",
        ),
        track_option,
        click.argument("submission", metavar="FILE|NAME"),
    ):
        function = decorate(function)
    return function


def track_option(function: F) -> F:
    """`--track`: a shipped track or a TOML file; None means the default."""
    return click.option(
        "--track", metavar="TRACK", default=None, help="A track's name, or a .toml file. [default: digits-9to0]"
    )(function)


def board_option(function: F) -> F:
    """`--board`: the folder with `seasons.toml` in it."""
    return click.option(
        "--board",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("leaderboard"),
        show_default=True,
        help="The board's folder, with seasons.toml in it.",
    )(function)


def season(function: F) -> F:
    """`--season`, the file of its salt, and the board that knows its commitment."""
    for decorate in (
        board_option,
        click.option(
            "--salt-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            default=None,
            help="The season's secret salt, as `lnbench season open` wrote it.",
        ),
        click.option("--season", metavar="NAME", default=None, help="Draw splits and seeds by an open season's salt."),
    ):
        function = decorate(function)
    return function


def season_salt(name: str | None, salt_file: Path | None, board: Path, unsafe: bool) -> str | None:
    """The salt of the open season that is asked for, None if none is.

    Raises:
        ProtocolError: if name and salt do not belong together, or come alone.
        UnavailableError: without bubblewrap: a salt that is secret is not brought near a submission that could read it.
    """
    from lnbench.errors import ProtocolError, UnavailableError
    from lnbench.poison import caches, diagnosis
    from lnbench.poison import sandbox as sandboxes
    from lnbench.record import seasons

    if name is None and salt_file is None:
        return None
    if name is None or salt_file is None:
        raise ProtocolError(
            "--season NAME and --salt-file FILE go together: the season's salt is secret while it is open."
        )
    found = seasons.opened(seasons.read(board / "seasons.toml"), name)
    salt = seasons.read_salt(salt_file)
    seasons.check_salt(found, salt)
    if unsafe or diagnosis.mode() != sandboxes.BUBBLEWRAP:
        raise UnavailableError(
            "a season's salt is secret, and only bubblewrap keeps a submission from it; see `lnbench doctor`."
        )
    if not caches.can_be_emptied():
        click.echo(
            "note: only root can empty the kernel's caches between splits; a submission can leave a note of one split "
            "in them for the next. SECURITY.md says how much that matters.",
            err=True,
        )
    return salt


def load_track(name: str | None) -> Any:
    """The track of this name or file, the default one if None."""
    from lnbench.protocol import track

    return track.load(name or track.DEFAULT)


def load_submission(name_or_path: str, settings: dict[str, str]) -> Any:
    """The submission in this file, or of this name, with parameters set."""
    from lnbench.evaluation.conductor import find_submission
    from lnbench.poison.run import Submission

    return Submission.from_file(find_submission(name_or_path), settings)


def load_poisoner(name: str, settings: dict[str, str], track: str | None) -> tuple[Any, Any, dict[str, Any]]:
    """What is scored, its track, and, for labels from the Hub, the salt and season that drew their splits."""
    if not name.startswith("hf://"):
        chosen = load_track(track)
        return load_submission(name, settings), chosen, {}
    from lnbench.hub import own_track, pull

    if settings:
        raise click.UsageError("published labels have no parameters to --set.")
    wanted = load_track(track) if track is not None else None
    pulled = pull(name)
    click.echo(f"labels only: {pulled.source}", err=True)
    facts = pulled.manifest.document
    return pulled.published, own_track(pulled, wanted), {"salt": facts["salt"], "season": facts["season"]}


def sandbox(unsafe: bool, file: str) -> str:
    """The sandbox to ask for; says so aloud if that is none.

    Raises:
        UnavailableError: if one is wanted and none works here.
    """
    from lnbench.evaluation import conductor

    if unsafe:
        click.echo(
            f"WARNING: NO SANDBOX. {file} runs as a plain process with all your rights and sees all your files; the "
            "record will not be ranked.",
            err=True,
        )
    wish = "none" if unsafe else "auto"
    conductor.resolved_sandbox(wish)
    return wish


def _pairs(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE … as a dictionary; the poisoner's own fields give the values their types."""
    result: dict[str, str] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals or not name.isidentifier():
            raise click.BadParameter(f"expected NAME=VALUE, got {text!r}.", ctx, parameter)
        if name in result:
            raise click.BadParameter(f"{name} is set twice.", ctx, parameter)
        result[name] = value
    return result
