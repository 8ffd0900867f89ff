"""Arguments that several verbs share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lnbench.cli import _complete, _faults

if TYPE_CHECKING:
    from lnbench.poison.contract import Contract
    from lnbench.poison.submission import Submission
    from lnbench.protocol import Track

F = TypeVar("F", bound=Callable[..., Any])


def text(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Callback of an option whose text is written to files: it has to be UTF-8."""
    if value is not None and any("\ud800" <= character <= "\udfff" for character in value):
        raise click.BadParameter(f"expected text in UTF-8, got {value[:80]!a}.", context, parameter)
    return value


def submission(function: F) -> F:
    """The submission, its parameters, its track, and the permission to run it without a sandbox."""
    return _submission(function, required=True)


def submission_or_folder(function: F) -> F:
    """The same, for a verb that takes a whole folder of submissions in place of one."""
    return _submission(function, required=False)


def _submission(function: F, required: bool) -> F:
    for decorate in (
        click.option(
            "--log",
            is_flag=True,
            callback=_faults.show_whole_log,
            help="Show all that the submission printed, not only the last lines of one that fails.",
        ),
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
            help="Set a parameter of the file's class; may be repeated.",
        ),
        track_option,
        click.argument("submission", metavar="FILE|NAME", required=required, shell_complete=_complete.submissions),
    ):
        function = decorate(function)
    return function


def track_option(function: F) -> F:
    """`--track`: a shipped track or a TOML file; None means the default."""
    return click.option(
        "--track",
        metavar="TRACK",
        default=None,
        shell_complete=_complete.tracks,
        help="A track's name, or a .toml file. [default: digits-9to0]",
    )(function)


def training(function: F) -> F:
    """`--device` and `--workers`: where victims train, and how many processes at a time."""
    for decorate in (
        click.option(
            "--workers", type=click.IntRange(1), default=None, help="Processes at a time. [default: one per core]"
        ),
        click.option(
            "--device",
            type=click.Choice(["cpu", "cuda", "auto"]),
            default="cpu",
            show_default=True,
            help="Where victims train.",
        ),
    ):
        function = decorate(function)
    return function


def store(function: F) -> F:
    """`--store`: a folder or an address; None means the cache's own."""
    return click.option(
        "--store",
        metavar="DIR|URL",
        envvar="LNBENCH_STORE",
        default=None,
        callback=text,
        help="Results that many share: a folder, s3://, gs://, hf://buckets/… [default: the cache; LNBENCH_STORE]",
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


def repo_option(function: F) -> F:
    """`--repo`: where something that is built will be published; nothing is asked of the Hub for it."""
    return click.option(
        "--repo", required=True, metavar="USER/NAME", help="The repository it will be in, for its card and links."
    )(function)


def images_option(function: F) -> F:
    """`--labels-only` and `--images`; None means as the licence of the base data says."""
    return click.option(
        "--labels-only/--images",
        "labels_only",
        default=None,
        help="Without or with the images of the base data. [default: with, where its licence is known to allow it]",
    )(function)


def number(text: str, option: str, what: str) -> int:
    """The number in an option's text.

    Args:
        what: was expected besides `all`, for the sentence.
    """
    if not text.isascii() or not text.isdigit() or len(text) > 4:
        raise click.BadParameter(f"expected {what} or 'all', got {text!r}.", param_hint=option)
    return int(text)


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


def load_track(name: str | None) -> Track:
    """The track of this name or file, the default one if None."""
    from lnbench.protocol import track

    return track.load(name or track.DEFAULT)


def load_submission(name_or_path: str, settings: dict[str, str], contract: Contract | None = None) -> Submission:
    """The submission in this file, or of this name, with parameters set; a poisoner's if no contract is given."""
    from lnbench.evaluation import submissions
    from lnbench.poison.contract import POISONER

    return submissions.load(name_or_path, settings, contract or POISONER)


def sandbox(unsafe: bool, file: str) -> str:
    """The sandbox to ask for; says so aloud if that is none.

    Raises:
        UnavailableError: if one is wanted and none works here.
    """
    from lnbench.evaluation import machine

    if unsafe:
        click.echo(
            f"WARNING: NO SANDBOX. {file} runs as a plain process with all your rights and sees all your files; the "
            "record will not be ranked.",
            err=True,
        )
    wish = "none" if unsafe else "auto"
    machine.resolved_sandbox(wish)
    return wish


def _pairs(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """NAME=VALUE … as a dictionary; the poisoner's own fields give the values their types."""
    result: dict[str, str] = {}
    for pair in values:
        text(context, parameter, pair)
        name, equals, value = pair.partition("=")
        if not equals or not name.isidentifier():
            raise click.BadParameter(f"expected NAME=VALUE, got {pair!r}.", context, parameter)
        if name in result:
            raise click.BadParameter(f"{name} is set twice.", context, parameter)
        result[name] = value
    return result
