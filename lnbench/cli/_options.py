"""Arguments that several verbs share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from lnbench.cli import _complete, _log
from lnbench.text import marked

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
            "--log-file",
            type=click.Path(dir_okay=False, path_type=Path),
            default=None,
            metavar="FILE",
            expose_value=False,
            callback=_log.write_to,
            help="Write all that the submission printed to this file.",
        ),
        click.option(
            "--log",
            is_flag=True,
            callback=_log.show_whole,
            expose_value=False,
            help="Show all that the submission printed, not only the last lines of one that fails.",
        ),
        click.option(
            "--unsafe-no-sandbox",
            is_flag=True,
            callback=_log.go_through,
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


def device_option(function: F) -> F:
    """`--device`: where victims train, `cpu` or `cuda`; refused at once if it is not here."""
    return _device("cpu", _here)(function)


def gpu_option(function: F) -> F:
    """The same for what is meant for a GPU."""
    return _device("cuda", _here)(function)


def cluster_device_option(function: F) -> F:
    """The same for what may run elsewhere: the machine that asks need not have the device."""
    return _device("cpu")(function)


def _device(default: str, callback: Callable[..., str] | None = None) -> Callable[[F], F]:
    return click.option(
        "--device",
        type=click.Choice(["cpu", "cuda", "auto"]),
        default=default,
        show_default=True,
        callback=callback,
        help="Where victims train; auto takes a GPU if there is one.",
    )


def _here(context: click.Context, parameter: click.Parameter, value: str) -> str:
    """Callback of `--device`: `cpu` or `cuda`, the latter only where there is one."""
    if value == "cpu" or context.resilient_parsing:
        return value
    from lnbench.evaluation import machine

    return machine.checked_device(value)


def workers_option(function: F) -> F:
    """`--workers`: how many processes at a time."""
    return click.option(
        "--workers", type=click.IntRange(1), default=None, help="Processes at a time. [default: one per core or GPU]"
    )(function)


def training(function: F) -> F:
    """`--device` and `--workers`."""
    return device_option(workers_option(function))


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
    """`--board`: the folder with `seasons.toml` in it; one that is named has to be there."""
    return click.option(
        "--board",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("leaderboard"),
        show_default=True,
        callback=_there,
        help="The board's folder, with records/ and seasons.toml in it.",
    )(function)


def board_folder(function: F) -> F:
    """`--board`, or `--folder`, of verbs that are about the board."""
    return click.option(
        "--board",
        "--folder",
        "folder",
        type=click.Path(file_okay=False, path_type=Path),
        default=Path("leaderboard"),
        show_default=True,
        help="The board's folder: records/TRACK/*.json, seasons.toml, and what is made of them.",
    )(function)


def existing(folder: Path, option: str) -> Path:
    """The same folder, if it is there.

    Args:
        option: how another one is given, for the sentence.

    Raises:
        ProtocolError: if it is not.
    """
    from lnbench.errors import ProtocolError

    if not os.path.isdir(folder):  # a name that is too long is no folder either
        raise ProtocolError(f"there is no folder {marked(str(folder)[:200], 1)}; give another one by {option}.")
    return folder


def _there(context: click.Context, parameter: click.Parameter, value: Path) -> Path:
    """Callback of `--board`: a folder that was named is there; the default one need not be."""
    named = context.get_parameter_source(parameter.name or "") is not ParameterSource.DEFAULT
    return existing(value, "--board") if named else value


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
