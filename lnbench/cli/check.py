"""`lnbench check`: the sandbox and the labels, without victims."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lnbench.cli import _faults, _options

if TYPE_CHECKING:
    from lnbench.poison.submission import Submission
    from lnbench.protocol import Track


@click.command("check")
@_options.submission
@click.option("--metadata", is_flag=True, help="Also ask for the author and licence that a pull request must name.")
def command(
    submission: str,
    track: str | None,
    settings: dict[str, str],
    unsafe_no_sandbox: bool,
    log: bool,
    metadata: bool,
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
        _defender(_options.load_submission(submission, settings, DEFENDER), chosen, unsafe_no_sandbox, log, metadata)
        return
    poisoner = _options.load_submission(submission, settings)

    sandbox = _options.sandbox(unsafe_no_sandbox, poisoner.file)
    names.check(poisoner, attacks=True)
    if metadata:
        from lnbench.contribute import submit

        details = submit.described(poisoner)
        click.echo(f"author {details.author}, licence {details.license}, paper {details.paper or 'none'}")
    splits = conductor.check(poisoner, chosen, sandbox=sandbox, splits=2)
    for split in splits:
        again = "the same labels twice" if split.deterministic else "DIFFERENT labels when run again"
        click.echo(
            f"split {split.split}: {len(split.flips)} of {chosen.noise.budget} flips, {split.seconds:.1f} s, "
            f"{split.trainings} victim trainings, sandbox {split.sandbox}, {again}"
        )
        if log and split.log:
            click.echo(_faults.quoted(split.log), err=True)
    click.echo(f"{poisoner.file}: its labels are valid on {chosen.name}.")
    if not all(split.deterministic for split in splits):
        click.echo("note: draw every random number from problem.rng, or nobody can reproduce your row.", err=True)


def _defender(defender: Submission, track: Track, unsafe: bool, log: bool, metadata: bool) -> None:
    """Run a defender and say what its answers hold."""
    from lnbench.contribute import submit
    from lnbench.evaluation import defence

    if metadata:
        details = submit.described(defender)
        click.echo(f"author {details.author}, licence {details.license}, paper {details.paper or 'none'}")
    answers = defence.check(defender, track, sandbox=_options.sandbox(unsafe, defender.file))
    for answer in answers:
        again = "the same twice" if answer.deterministic else "DIFFERENT when run again"
        recipe = ", ".join(f"{name} = {value}" for name, value in answer.recipe.items()) or "unchanged"
        click.echo(
            f"{answer.what} labels: {answer.relabelled} changed, {answer.left_out} points left out, "
            f"{answer.networks} network{'s' * (answer.networks > 1)} a victim, recipe {recipe}; "
            f"{answer.seconds:.1f} s, {again}"
        )
        if log and answer.log:
            click.echo(_faults.quoted(answer.log), err=True)
    click.echo(f"{defender.file}: its trainings are valid on {track.name}.")
    if not all(answer.deterministic for answer in answers):
        click.echo("note: draw every random number from problem.rng, or nobody can reproduce your numbers.", err=True)
