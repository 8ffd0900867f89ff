"""`lnbench pull`: a poisoned dataset from the Hugging Face Hub, checked."""

from __future__ import annotations

import click

from lnbench.cli import _result


@click.command("pull")
@click.argument("dataset", metavar="USER/NAME[@REVISION]")
@click.option("--track", metavar="FILE.toml", help="The dataset's track, if it does not ship and pins its own images.")
@_result.json_option
def command(dataset: str, track: str | None, as_json: bool) -> None:
    """Download a poisoned dataset from the Hub and check everything in it.

    The repository is a stranger's: only its card, its lnbench.json and its tables are read, none of it is run, and the
    labels are rebuilt on the pinned base data and compared with their hashes. Exit code 1 if anything differs. A commit
    that was pulled before is not asked for again.
    """
    from lnbench import hub
    from lnbench.cli import _options, _progress
    from lnbench.data import strangers
    from lnbench.evaluation.progress import Progress
    from lnbench.text import interval, plain, points

    given = _options.load_track(track) if track is not None else None
    with _progress.reporter() as report:
        pulled = hub.pull(
            dataset, track=given, on_share=lambda share: report(Progress("checking", 100 * share, 100, 0, None))
        )
    facts, theirs = pulled.manifest.document, pulled.track
    poisoner, splits = facts["poisoner"], pulled.manifest.splits
    what = "images and labels" if pulled.manifest.images else "labels only"
    claimed = f"{points(facts['record']['drop_pp'])} pp {interval(facts['record']['ci95_pp'])}"
    result, flips = _result.Result(as_json), sum(map(len, pulled.flips.values()))
    result.say(f"{pulled.source}{' (pulled before)' if pulled.cached else ''}")
    result.say(f"poisoner: {plain(poisoner['name'], 40)}: {plain(poisoner['description'], 200)}")
    known = "" if strangers.ships(theirs) else "; it does not ship with this lnbench, so look at its budget and pairs"
    result.say(f"track:    {theirs.name}, version {theirs.version}{known}")
    result.say(f"labels:   {flips} flips in {len(splits)} splits, {what}; as their hashes say")
    result.say(f"score:    {claimed}, as its publisher claims; record {facts['record']['sha256'][:8]}")
    result.say(f"load it:  lnbench.load_poisoned({pulled.repo!r}, split={splits[0]}, revision={pulled.commit!r})")
    result.say(f"score it: lnbench evaluate {pulled.source}")
    result.give(
        {
            "source": pulled.source,
            "cached": pulled.cached,
            "poisoner": poisoner["name"],
            "track": {"name": theirs.name, "sha256": theirs.sha256, "ships": strangers.ships(theirs)},
            "splits": splits,
            "flips": flips,
            "images": pulled.manifest.images,
            "claimed": {
                "drop_pp": facts["record"]["drop_pp"],
                "ci95_pp": facts["record"]["ci95_pp"],
                "record": facts["record"]["sha256"],
            },
        }
    )
