"""What the shell completes besides verbs and options: names of tracks, attacks, defences, rows and experiments."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import click
from click.shell_completion import CompletionItem

Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def tracks(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Tracks that ship with lnbench, or a file of one."""
    from lnbench.protocol import track

    return _names(track.names(), incomplete, files=True)


def submissions(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Reference attacks, or defences where a verb is about them, or a submission's file."""
    from lnbench.evaluation import bundled

    known = bundled.defences() if context.info_name == "defend" else bundled.bundled()
    return _names(known, incomplete, files=True)


def attacks(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Reference attacks, or a file."""
    from lnbench.evaluation import bundled

    return _names(bundled.bundled(), incomplete, files=True)


def records(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Rows of the board on the track that is asked for, or a record's file."""
    from lnbench.board.rows import of_track
    from lnbench.errors import LnbenchError
    from lnbench.protocol.track import DEFAULT

    try:
        some = of_track(context.params.get("track") or DEFAULT)
    except LnbenchError:
        return _names((), incomplete, files=True)
    rows = (row for table in some for row in table.rows)
    shown = (row.stem if row.poisoner.parameters else row.label for row in rows)  # a shell would read parentheses
    return _names(dict.fromkeys(shown), incomplete, files=True)


def experiments(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Experiments of the thesis."""
    from lnbench.thesis import experiments

    return _names(experiments.names(), incomplete)


def _names(known: Iterable[str], incomplete: str, *, files: bool = False) -> list[CompletionItem]:
    """Those names that begin so; and, if asked for, the shell's own completion of files."""
    found = [CompletionItem(name) for name in known if name.startswith(incomplete)]
    return [CompletionItem(incomplete, type="file"), *found] if files else found  # bash forgets what is before a file
