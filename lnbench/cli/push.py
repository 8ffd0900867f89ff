"""`lnbench push`: a record's labels to the Hugging Face Hub."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from lnbench.cli import _options, _result


@click.command("push")
@click.argument("record", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--repo", required=True, metavar="USER/NAME", help="The dataset repository; made if it is not there.")
@click.option("--private", is_flag=True, help="Make it a private one.")
@_options.images_option
@click.option("--split", metavar="W|all", default="all", show_default=True, help="One split, or all of them.")
@click.option("--create-pr", is_flag=True, help="Propose the commit as a pull request to a repository that is there.")
@click.option("--salt", default=None, help="The salt, for records whose salt is neither public nor revealed.")
@click.option(
    "--victims",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=None,
    metavar="DIR",
    help="Add the victims that `evaluate --keep-victims DIR` kept.",
)
@click.option("--track", metavar="FILE.toml", help="The record's track, if it does not ship and pins its own images.")
@_options.board_option
@_result.json_option
def command(
    record: Path,
    repo: str,
    private: bool,
    labels_only: bool | None,
    split: str,
    create_pr: bool,
    salt: str | None,
    victims: Path | None,
    track: str | None,
    board: Path,
    as_json: bool,
) -> None:
    """Publish a record's poisoned dataset on the Hugging Face Hub.

    Tables of image, label, clean label and index for every split, the hashes that everything can be checked against,
    and a card that says plainly that the labels are poisoned: one commit, tagged. A push that breaks off leaves nothing
    half-written; the same command goes on from what was uploaded.

    \b
      lnbench push records/digits-9to0/yours-01234567.json --repo user/name
    """
    from lnbench import hub
    from lnbench import record as records
    from lnbench.record import seasons

    made = records.read(record)
    pushed = hub.push(
        made,
        repo,
        private=private,
        images=None if labels_only is None else not labels_only,
        splits=None if split == "all" else [_options.number(split, "--split", "the number of a split")],
        create_pr=create_pr,
        salt=salt or seasons.salt_of(seasons.read(board / "seasons.toml"), made.season),
        victims=victims,
        track=_options.load_track(track) if track is not None else None,
        on_split=lambda done, total: click.echo(f"built: {done}/{total} splits", err=True) if done == total else None,
    )
    if not pushed.images:
        click.echo("labels only: no images are in it.", err=True)
    result = _result.Result(as_json)
    result.give(dataclasses.asdict(pushed))
    if pushed.tag is None:
        result.say(f"proposed: {pushed.url}")
        return
    result.say(f"{'pushed' if pushed.changed else 'unchanged'}: {pushed.url}")
    result.say(f"tag:    {pushed.tag}")
    result.say(f"commit: {pushed.commit}")
    result.say(f"score it again: lnbench evaluate hf://{pushed.repo}@{pushed.commit}")
