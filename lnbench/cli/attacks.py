"""`lnbench attacks`: the poisoners that come with lnbench."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from lnbench.cli import _groups, _options, _result
from lnbench.text import interval, plain, points, ranks

if TYPE_CHECKING:
    from lnbench.board.rows import BoardRow
    from lnbench.poison.reading import Details


@click.group("attacks", cls=_groups.Group, default="list")
def command() -> None:
    """List the reference attacks with their parameters and scores."""


@command.command("list")
@_options.track_option
@_result.json_option
def list_attacks(track: str | None, as_json: bool) -> None:
    """Every attack's best row on a track of the board, what it does, and its parameters; highest targeted score first.

    `lnbench evaluate NAME --set PARAMETER=VALUE` runs one, `lnbench show NAME` prints the record of its row.
    """
    from lnbench.board import rows as board
    from lnbench.cli import _tables
    from lnbench.evaluation import submissions
    from lnbench.evaluation.bundled import attacks

    result, chosen, document = _result.Result(as_json), _options.load_track(track).name, list[dict[str, Any]]()
    best = board.best(chosen)
    width = min(100, _tables.console(err=as_json).width)
    for name in sorted(attacks(), key=lambda name: (-best[name].score.drop_pp if name in best else 1e9, name)):
        about, row = submissions.load(name).details, best.get(name)
        result.say(f"{name}: {'no row' if row is None else _score(row)}")
        for words in _words(about):
            result.say(click.wrap_text(words, width, initial_indent="    ", subsequent_indent="    "))
        document.append({"name": name, "description": about.description, "parameters": dict(about.defaults)})
        document[-1]["best"] = None if row is None else row.document
    result.say(f"Scores in points on {chosen}, with their 95 % intervals and ranks: those of an attack's best row.")
    result.give({"track": chosen, "attacks": document})


def _score(row: BoardRow) -> str:
    """Score, interval and rank of a row, and what it is called if that is more than the attack's name."""
    label = f", as {row.label}" if row.poisoner.parameters else ""
    return f"{points(row.score.drop_pp)} {interval(row.score.ci95_pp)}, rank {ranks(row.ranks)}{label}"


def _words(about: Details) -> list[str]:
    """What an attack does, and its parameters if it has any."""
    settings = ", ".join(f"{key}={value}" for key, value in about.defaults.items())
    return [about.description, *([plain(f"Parameters: {settings}", 1000)] if settings else [])]
