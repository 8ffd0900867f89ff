"""`lnbench check`: the sandbox and the labels, without victims."""

from __future__ import annotations

import click

from lnbench.cli import _options


@click.command("check")
@_options.submission
@click.option("--metadata", is_flag=True, help="Also ask for the author and licence that a pull request must name.")
def command(
    submission: str, track: str | None, settings: dict[str, str], unsafe_no_sandbox: bool, metadata: bool
) -> None:
    """Run a poisoner in the sandbox and audit its labels, without training victims.

    It runs twice on each of the track's first two splits, under the limits of an evaluation: budget, pairs, type,
    range, time and memory. A clean check says that `lnbench evaluate` will accept the labels, and nothing about how
    good they are.
    """
    chosen = _options.load_track(track)
    poisoner = _options.load_submission(submission, settings)
    from lnbench.evaluation import conductor

    wish = _options.sandbox(unsafe_no_sandbox, poisoner.file)
    if metadata:
        from lnbench.contribute.metadata import check_metadata
        from lnbench.poison import run

        details = run.describe(poisoner, mode=conductor.resolved_sandbox(wish))
        check_metadata(details, poisoner.file)
        click.echo(f"author {details.author}, licence {details.license}, paper {details.paper or 'none'}")
    found = conductor.check(poisoner, chosen, sandbox=wish, splits=2)
    budget = chosen.noise.budget
    for split in found:
        again = "the same labels twice" if split.deterministic else "DIFFERENT labels when run again"
        click.echo(
            f"split {split.split}: {len(split.flips)} of {budget} flips, {split.seconds:.1f} s, "
            f"{split.trainings} victim trainings, sandbox {split.sandbox}, {again}"
        )
    click.echo(f"{poisoner.file}: its labels are valid on {chosen.name}.")
    if not all(split.deterministic for split in found):
        click.echo("note: draw every random number from problem.rng, or nobody can reproduce your row.", err=True)
