"""`lnbench compare`: two records against each other."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from lnbench.cli import _complete, _options, _result
from lnbench.text import interval, plain, points, probability

if TYPE_CHECKING:
    from lnbench.record.comparison import Difference


@click.command("compare")
@click.argument("first", metavar="A", shell_complete=_complete.records)
@click.argument("second", metavar="B", shell_complete=_complete.records)
@_options.track_option
@_result.json_option
def command(first: str, second: str, track: str | None, as_json: bool) -> None:
    """Say how the scores of two records differ, split by split.

    A and B are records' files, or names of rows of the board: my_poisoner, "dominating_set(space=pca)" or
    my_poisoner-21df572e. On every split that both have, each record's score is taken below its own random arm; the
    table has the mean difference, positive if A is the higher, and its 95 % interval over the splits.

    \b
      lnbench compare my_poisoner random_search
      lnbench compare records/digits-9to0/mine-0a1b2c3d.json my_poisoner
    """
    from lnbench.api.records import compare

    made, result = compare(first, second, track), _result.Result(as_json)
    result.say(plain(made.sentence, 1000))
    words = {"higher": f"{made.first} is higher", "lower": f"{made.second} is higher", "not shown": "not told apart"}
    rows = [
        [name, points(one.mean_pp), interval(one.ci95_pp), _p(one), plain(words[one.shown])]
        for name, one in [*made.per_architecture.items(), ("all", made.total)]
    ]
    result.table(["architecture", "A − B, pp", "95 % interval", "p", "in words"], rows, words=["in words"])
    result.say("Each is a single test: the board's ranks are corrected for all of its rows.")
    result.give({**dataclasses.asdict(made), "sentence": made.sentence})


def _p(one: Difference) -> str:
    """Its p under a head that says so already."""
    return probability(one.p_value).removeprefix("p ").removeprefix("= ")
