"""`lnbench hub`: what the project publishes on the Hugging Face Hub, as folders, and their upload."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from lnbench.cli import _groups, _options, _result

_folder = click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
_record = click.argument("record", type=click.Path(exists=True, dir_okay=False, path_type=Path))
_benchmark = click.option(
    "--benchmark",
    metavar="USER/NAME[@COMMIT]",
    default="lnbench/benchmark",
    show_default=True,
    help="The dataset with the tracks, whose leaderboard the results are for.",
)


@click.group("hub", cls=_groups.Group)
def command() -> None:
    """Build what the project publishes on the Hub, and upload it.

    Every build writes a folder that can be looked at first; `upload` makes a repository hold exactly that. One record's
    poisoned dataset is `lnbench push`, the suite for defences `lnbench suite build`.

    \b
      lnbench hub benchmark build/benchmark --repo user/lnbench
      lnbench hub upload build/benchmark --repo user/lnbench --dry-run
    """


@command.command("benchmark")
@_folder
@_options.repo_option
@_options.board_option
@click.option("--track", "tracks", metavar="TRACK", multiple=True, help="Only this track; may be repeated.")
@_options.images_option
@_result.json_option
def benchmark(
    folder: Path, repo: str, board: Path, tracks: tuple[str, ...], labels_only: bool | None, as_json: bool
) -> None:
    """Write the benchmark's dataset to FOLDER: tracks, splits, seasons, and the Hub's eval.yaml."""
    from lnbench.cli import _progress
    from lnbench.hub import benchmark as builds

    images = None if labels_only is None else not labels_only
    with _progress.reporter() as report:
        files = builds.build(board, folder, repo, only=tracks, images=images, notify=report)
    _built(_result.Result(as_json), folder, len(files), repo)


@command.command("poisoner")
@_record
@_folder
@_options.repo_option
@_benchmark
@_result.json_option
def poisoner(record: Path, folder: Path, repo: str, benchmark: str, as_json: bool) -> None:
    """Write the model repository of a ranked record's poisoner to FOLDER: its file, the record, .eval_results."""
    from lnbench import record as records
    from lnbench.hub import model

    files = model.build_poisoner(records.read(record), folder, repo, benchmark)
    _built(_result.Result(as_json), folder, len(files), repo)


@command.command("victims")
@_record
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_options.repo_option
@_benchmark
@_result.json_option
def victims(record: Path, folder: Path, repo: str, benchmark: str, as_json: bool) -> None:
    """Add .eval_results to FOLDER, the victims that `evaluate --keep-victims FOLDER` kept, as a model repository."""
    from lnbench import record as records
    from lnbench.hub import model

    result = _result.Result(as_json)
    accuracies = model.add_victims_results(records.read(record), folder, repo, benchmark)
    for arm, accuracy in accuracies.items():
        result.say(f"{arm}: adversarial accuracy {accuracy:.1f} %")
    result.say(f"publish it: lnbench hub upload {folder} --repo {repo}")
    result.give({"folder": str(folder), "accuracies_percent": accuracies})


@command.command("baselines")
@_folder
@_options.repo_option
@click.option(
    "--store",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=None,
    help="The store to take them from. [default: the one of `lnbench cache path`]",
)
@_result.json_option
def baselines(folder: Path, repo: str, store: Path | None, as_json: bool) -> None:
    """Copy the clean and random arms of the public splits from the store to FOLDER, for everybody to read from.

    Entries that FOLDER has already stay, so that stores of several machines can be put together one after the other.
    """
    from lnbench.cli import _progress
    from lnbench.evaluation.progress import Progress
    from lnbench.evaluation.store import default_root
    from lnbench.hub import baselines as builds

    with _progress.reporter() as report:
        counted = builds.build(
            store or default_root(),
            folder,
            repo,
            tell=lambda done, total: report(Progress("entries", done, total, 0, None)),
        )
    result = _result.Result(as_json)
    for one in counted:
        result.say(f"{one.track}: {one.victims} victims in {one.entries} entries, environment {one.environment[:16]}")
    result.say(f"publish it: lnbench hub upload {folder} --repo {repo}")
    result.give({"folder": str(folder), "baselines": [dataclasses.asdict(one) for one in counted]})


@command.command("upload")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--repo", required=True, metavar="USER/NAME", help="The repository; made if it is not there.")
@click.option("--private", is_flag=True, help="Make it a private one.")
@click.option("--create-pr", is_flag=True, help="Propose the commit as a pull request to a repository that is there.")
@click.option("--dry-run", is_flag=True, help="Check the folder and say what would be done; ask nothing of the Hub.")
@_result.json_option
def upload(folder: Path, repo: str, private: bool, create_pr: bool, dry_run: bool, as_json: bool) -> None:
    """Make a repository on the Hub hold exactly what was built in FOLDER: one commit, and a tag for a suite.

    The kind of repository follows from what the folder holds. A repository with other things in it is left alone. In a
    workflow no token has to be stored: with HF_OIDC_RESOURCE set to the repository the client exchanges the job's
    identity for one.
    """
    from lnbench.hub import kinds

    kind, files, pushed = kinds.upload(folder, repo, private=private, create_pr=create_pr, dry_run=dry_run)
    size = sum(path.stat().st_size for path in files.values())
    what = f"{kind.what}, {len(files)} files, {size / 1e6:.1f} MB"
    result, document = _result.Result(as_json), {"repo": repo, "kind": kind.kind, "files": len(files), "bytes": size}
    result.give(document if pushed is None else document | dataclasses.asdict(pushed))
    if pushed is None:
        result.say(f"dry run: {repo} ({kind.kind}) would hold {what}; nothing was asked of the Hub.")
        return
    if create_pr:
        result.say(f"proposed: {pushed.url}")
        return
    result.say(f"{'pushed' if pushed.changed else 'unchanged'}: {pushed.url}: {what}")
    if pushed.tag is not None:
        result.say(f"tag:    {pushed.tag}")
    result.say(f"commit: {pushed.commit}")


def _built(result: _result.Result, folder: Path, files: int, repo: str) -> None:
    result.give({"folder": str(folder), "files": files})
    result.say(f"built: {folder}, {files} files")
    result.say(f"publish it: lnbench hub upload {folder} --repo {repo}")
