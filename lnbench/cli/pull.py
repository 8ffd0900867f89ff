"""`lnbench pull`: a poisoned dataset from the Hugging Face Hub, checked."""

from __future__ import annotations

import click


@click.command("pull")
@click.argument("dataset", metavar="USER/NAME[@REVISION]")
def command(dataset: str) -> None:
    """Download a poisoned dataset from the Hub and check everything in it.

    The repository is a stranger's: only its card, its lnbench.json and its tables are read, none of it is run, and the
    labels are rebuilt on the pinned base data and compared with their hashes. Exit code 1 if anything differs. A commit
    that was pulled before is not asked for again.
    """
    from lnbench import hub
    from lnbench.cli import _progress
    from lnbench.evaluation.progress import Progress
    from lnbench.text import interval, plain, points

    with _progress.reporter() as report:
        found = hub.pull(dataset, on_share=lambda share: report(Progress("checking", 100 * share, 100, 0, None)))
    facts, track = found.manifest.document, found.track
    poisoner, splits = facts["poisoner"], found.manifest.splits
    what = "images and labels" if found.manifest.images else "labels only"
    claimed = f"{points(facts['record']['drop_pp'])} pp {interval(facts['record']['ci95_pp'])}"
    click.echo(f"{found.source}{' (pulled before)' if found.cached else ''}")
    click.echo(f"poisoner: {plain(poisoner['name'], 40)}: {plain(poisoner['description'], 200)}")
    known = "" if hub.shipped(track) else "; it does not ship with this lnbench, so look at its budget and pairs"
    click.echo(f"track:    {track.name}, version {track.version}{known}")
    click.echo(
        f"labels:   {sum(map(len, found.flips.values()))} flips in {len(splits)} splits, {what}; as their hashes say"
    )
    click.echo(f"score:    {claimed}, as its publisher claims; record {facts['record']['sha256'][:8]}")
    click.echo(f"load it:  lnbench.load_poisoned({found.repo!r}, split={splits[0]}, revision={found.commit!r})")
    click.echo(f"score it: lnbench evaluate {found.source}")
