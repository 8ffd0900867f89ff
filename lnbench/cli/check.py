"""`lnbench check`: the sandbox and the labels, without victims."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from lnbench.cli import _log, _options, _result

if TYPE_CHECKING:
    from lnbench.poison.submission import Submission
    from lnbench.protocol import Track


@click.command("check")
@_options.submission
@click.option("--metadata", is_flag=True, help="Also ask for the author and licence that a pull request must name.")
@_result.json_option
def command(
    submission: str,
    track: str | None,
    settings: dict[str, str],
    unsafe_no_sandbox: bool,
    metadata: bool,
    as_json: bool,
) -> None:
    """Run a poisoner or defender in the sandbox and audit its answers, without training victims.

    A poisoner runs twice on each of the track's first two splits, under the limits of an evaluation: budget, pairs,
    type, range, time and memory. A clean check says that `lnbench evaluate` will accept the labels, and nothing about
    how good they are. A defender runs twice on the true labels and on random flips of the first split.
    """
    chosen = _options.load_track(track)
    from lnbench.contribute import names
    from lnbench.evaluation import conductor, submissions
    from lnbench.poison.contract import DEFENDER

    if submissions.contract_of(submission) == DEFENDER:
        _defender(
            _options.load_submission(submission, settings, DEFENDER), chosen, unsafe_no_sandbox, metadata, as_json
        )
        return
    poisoner = _options.load_submission(submission, settings)

    sandbox = _options.sandbox(unsafe_no_sandbox, poisoner.file)
    names.check(poisoner, attacks=True)
    result = _result.Result(as_json)
    named = _named(poisoner, result) if metadata else {}
    splits = conductor.check(poisoner, chosen, sandbox=sandbox, splits=2)
    for split in splits:
        again = "the same labels twice" if split.deterministic else "DIFFERENT labels when run again"
        result.say(
            f"split {split.split}: {len(split.flips)} of {chosen.noise.budget} flips, {split.seconds:.1f} s, "
            f"{split.trainings} victim trainings, sandbox {split.sandbox}, {again}"
        )
        _log.tell(f"split {split.split}", split.log)
    result.say(f"{poisoner.file}: its labels are valid on {chosen.name}.")
    if not all(split.deterministic for split in splits):
        click.echo("note: draw every random number from problem.rng, or nobody can reproduce your row.", err=True)
    result.give(
        {
            "file": poisoner.file,
            "track": {"name": chosen.name, "sha256": chosen.sha256},
            **named,
            "splits": [
                {name: value for name, value in dataclasses.asdict(split).items() if name != "log"} for split in splits
            ],
        }
    )


def _defender(defender: Submission, track: Track, unsafe: bool, metadata: bool, as_json: bool) -> None:
    """Run a defender and say what its answers hold."""
    from lnbench.evaluation import defence

    result = _result.Result(as_json)
    named = _named(defender, result) if metadata else {}
    answers = defence.check(defender, track, sandbox=_options.sandbox(unsafe, defender.file))
    for answer in answers:
        again = "the same twice" if answer.deterministic else "DIFFERENT when run again"
        recipe = ", ".join(f"{name} = {value}" for name, value in answer.recipe.items()) or "unchanged"
        result.say(
            f"{answer.what} labels: {answer.relabelled} changed, {answer.left_out} points left out, "
            f"{answer.networks} network{'s' * (answer.networks > 1)} a victim, recipe {recipe}; "
            f"{answer.seconds:.1f} s, {again}"
        )
        _log.tell(f"{answer.what} labels", answer.log)
    result.say(f"{defender.file}: its trainings are valid on {track.name}.")
    if not all(answer.deterministic for answer in answers):
        click.echo("note: draw every random number from problem.rng, or nobody can reproduce your numbers.", err=True)
    result.give(
        {
            "file": defender.file,
            "track": {"name": track.name, "sha256": track.sha256},
            **named,
            "answers": [
                {name: value for name, value in dataclasses.asdict(answer).items() if name != "log"}
                for answer in answers
            ],
        }
    )


def _named(submission: Submission, result: _result.Result) -> dict[str, str]:
    """Who made a submission, under which licence and after which paper, said and as a document."""
    from lnbench.contribute import submit

    details = submit.described(submission)
    result.say(f"author {details.author}, licence {details.license}, paper {details.paper or 'none'}")
    return {"author": details.author, "license": details.license, "paper": details.paper}
