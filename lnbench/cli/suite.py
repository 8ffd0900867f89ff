"""`lnbench suite`: the canonical poisoned suite, built from the board and pulled from the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lnbench.cli import _groups, _options, _result


@click.group("suite", cls=_groups.Group)
def command() -> None:
    """Build and pull the poisoned suite: what a defence is tested on.

    Of every calibrated track it holds the labels of the best attack, of as many random flips and the true ones, with
    victims trained on each. `lnbench.load_suite()` gives it to Python.
    """


@command.command("build")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@_options.repo_option
@_options.board_option
@click.option("--track", "tracks", metavar="TRACK", multiple=True, help="Only this track; may be repeated.")
@click.option(
    "--victims",
    metavar="N|all",
    default="all",
    show_default=True,
    help="Of how many splits to keep victims, 0 for none. They are trained in stacks, and whole stacks are kept.",
)
@_options.images_option
@_options.training
@_result.json_option
def build(
    folder: Path,
    repo: str,
    board: Path,
    tracks: tuple[str, ...],
    victims: str,
    labels_only: bool | None,
    device: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """Write the suite to FOLDER, ready for `lnbench hub upload`.

    The first row of every calibrated track's table on the board gives the labels. A build that is stopped goes on where
    it was: victims that are there and right are not trained again.
    """
    from lnbench.cli import _progress
    from lnbench.hub.suite import build as builds
    from lnbench.text import marked

    _options.existing(board, "--board")
    with _progress.reporter() as report:
        made = builds.build(
            board / "records",
            folder,
            repo,
            only=tracks,
            victim_splits=None if victims == "all" else _options.number(victims, "--victims", "a number of splits"),
            images=None if labels_only is None else not labels_only,
            device=device,
            workers=workers,
            notify=report,
            tell=lambda sentence: click.echo(f"note: {marked(sentence)}", err=True),
        )
    result = _result.Result(as_json)
    for track in made.tracks.values():
        what = "images and labels" if track.images else "labels only"
        result.say(f"{track.name}: record {track.record[:8]}, {track.splits} splits, {what}, {track.victims} victims")
    result.say(f"built: {folder}, {len(made.files) + 2} files, tag {made.tag}")
    result.say(f"publish it: lnbench hub upload {folder} --repo {repo}")
    result.give(
        {
            "folder": str(folder),
            "tag": made.tag,
            "files": len(made.files) + 2,
            "tracks": {
                track.name: {
                    "record": track.record,
                    "splits": track.splits,
                    "images": track.images,
                    "victims": track.victims,
                }
                for track in made.tracks.values()
            },
        }
    )


@command.command("pull")
@click.argument("suite", metavar="[USER/NAME[@REVISION]]", required=False)
@_result.json_option
def pull(suite: str | None, as_json: bool) -> None:
    """Download a suite's records and tables and check everything in them.

    The repository is a stranger's: none of it is run, records are derived anew from their own bits, and labels and
    random flips are made again on the pinned base data. Exit code 1 if anything differs. A commit that was pulled
    before is not asked for again. Victims are downloaded when `lnbench.load_suite().victim(…)` asks for one.
    """
    from lnbench.cli import _progress
    from lnbench.evaluation.progress import Progress
    from lnbench.hub.suite import pulling
    from lnbench.text import interval, plain, points

    with _progress.reporter() as report:
        pulled = pulling.pull(
            suite or pulling.REPO, on_share=lambda share: report(Progress("checking", 100 * share, 100, 0, None))
        )
    result, document = _result.Result(as_json), dict[str, Any]()
    result.say(f"{pulled.source}{' (pulled before)' if pulled.cached else ''}")
    for name, made in pulled.records.items():
        stated = pulled.manifest.tracks[name]
        score = f"{points(made.score.drop_pp)} pp {interval(made.score.ci95_pp)}"
        document[name] = {
            "poisoner": made.name,
            "score": {"drop_pp": made.score.drop_pp, "ci95_pp": made.score.ci95_pp},
            "splits": stated.splits,
            "victims": stated.victims,
        }
        result.say(f"{name}: {plain(made.label, 60)}, {score}, {stated.splits} splits, {stated.victims} victims")
    result.give({"source": pulled.source, "cached": pulled.cached, "tracks": document})
    result.say(f"load it: lnbench.load_suite({f'{pulled.repo}@{pulled.commit}'!r})")
