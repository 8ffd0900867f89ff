"""`lnbench check`: the sandbox and the labels, without victims."""

from __future__ import annotations

import click

from lnbench.cli import _faults, _options


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
    """Run a poisoner in the sandbox and audit its labels, without training victims.

    It runs twice on each of the track's first two splits, under the limits of an evaluation: budget, pairs, type,
    range, time and memory. A clean check says that `lnbench evaluate` will accept the labels, and nothing about how
    good they are.
    """
    chosen = _options.load_track(track)
    poisoner = _options.load_submission(submission, settings)
    from lnbench.contribute import names
    from lnbench.evaluation import conductor

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
