"""`lnbench search`: the poisoned datasets on the Hugging Face Hub."""

from __future__ import annotations

import dataclasses

import click

from lnbench.cli import _complete, _result


@click.command("search")
@click.option(
    "--track", default=None, metavar="TRACK", shell_complete=_complete.tracks, help="Only datasets of this track."
)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only datasets with this tag; may be repeated.")
@click.option("--min-score", type=float, default=None, metavar="PP", help="Only those that claim at least this score.")
@click.option("--limit", type=click.IntRange(1, 1000), default=30, show_default=True, help="At most so many.")
@_result.json_option
def command(track: str | None, tags: tuple[str, ...], min_score: float | None, limit: int, as_json: bool) -> None:
    """List the poisoned datasets on the Hub.

    They come by the score that they claim. Nothing listed here has been checked: `lnbench pull` checks the labels,
    `lnbench evaluate hf://…` the score.
    """
    from lnbench import hub
    from lnbench.text import points

    result = _result.Result(as_json)
    datasets = hub.search(track=track, tags=tags, min_score=min_score, limit=limit)
    for one in datasets:
        splits = "?" if one.splits is None else one.splits
        what = f"{one.poisoner or '?'} on {one.track or '?'}, {splits} splits{'' if one.images else ', labels only'}"
        result.say(f"{points(one.score_pp):>6} pp  hf://{one.repo}{'@' if one.commit else ''}{one.commit}  {what}")
    click.echo(
        f"{len(datasets)} dataset{'' if len(datasets) == 1 else 's'}; scores are their publishers' claims.", err=True
    )
    result.give([dataclasses.asdict(one) for one in datasets])
