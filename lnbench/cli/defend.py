"""`lnbench defend`: one defence against one attack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lnbench.cli import _complete, _options, _output, _progress

if TYPE_CHECKING:
    from lnbench.poison.submission import Submission
    from lnbench.record.record import Record


@click.command("defend")
@_options.submission
@click.option(
    "--against",
    metavar="ATTACK|RECORD",
    required=True,
    shell_complete=_complete.attacks,
    help="A poisoner's file, a reference attack's name, or the record (.json) of either.",
)
@click.option("--quick", is_flag=True, help="Fewer splits and seeds: a first look.")
@click.option("--splits", type=click.IntRange(2), default=None, help="Splits other than the track's.")
@click.option("--seeds", type=click.IntRange(1), default=None, help="Seeds other than the track's.")
@click.option("--budget-unknown", is_flag=True, help="Do not tell the defence how many labels may be wrong.")
@_options.training
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR|FILE",
    help="Where the record is written: a folder, or a .json file. [default: ./records/TRACK]",
)
@click.option("--json", "as_json", is_flag=True, help="Print exactly the record on stdout.")
def command(
    submission: str,
    track: str | None,
    settings: dict[str, str],
    against: str,
    quick: bool,
    splits: int | None,
    seeds: int | None,
    budget_unknown: bool,
    device: str,
    workers: int | None,
    out: Path | None,
    as_json: bool,
    unsafe_no_sandbox: bool,
) -> None:
    """Score a defence against an attack.

    FILE holds one class derived from lnbench.Defender; NAME is a reference defence such as early_stopping. It is given
    the labels of every arm (clean, random and poisoned ones), is not told which, and says how to train on them. The
    score is the share of the attack's drop below random flips that is gone when both arms are defended.

    \b
      lnbench defend label_smoothing --against my_poisoner --quick
      lnbench defend defences/gce.py --set q=0.5 --against leaderboard/records/digits-9to0/my_poisoner-21df572e.json
    """
    from lnbench.cli import _defence_report
    from lnbench.evaluation import defence
    from lnbench.poison.contract import DEFENDER
    from lnbench.protocol import canonical_json
    from lnbench.record import defence as records

    chosen, attack = _options.load_track(track), _attack(against)
    replication = _replication(attack, quick, splits, seeds)
    if replication is not None:
        size = chosen.replication
        replication = replication[0] or size.splits, replication[1] or size.seeds
    defender = _options.load_submission(submission, settings, DEFENDER)
    sandbox = _options.sandbox(unsafe_no_sandbox, defender.file)
    folder = _output.records_folder(out, chosen)
    with _progress.reporter() as report:
        made = defence.evaluate(
            defender,
            attack,
            chosen,
            quick=quick,
            replication=replication,
            budget=defence.NOT_ASKED if budget_unknown else None,
            device=device,
            workers=workers,
            sandbox=sandbox,
            on_progress=report,
        )
    path = _output.place(folder, made.filename)
    _defence_report.print_record(made, err=as_json)
    if as_json:
        click.echo(canonical_json(made.document), nl=False)
    records.write(made, path)
    click.echo(f"record: {path}", err=True)


def _attack(against: str) -> Submission | Record:
    """The attack's file, or its record."""
    if against.endswith(".json"):
        from lnbench import record as records

        return records.read(against)
    return _options.load_submission(against, {})


def _replication(
    attack: Submission | Record, quick: bool, splits: int | None, seeds: int | None
) -> tuple[int, int] | None:
    """The splits and seeds asked for, 0 where nothing was; None for the track's own."""
    from lnbench.record.record import Record

    asked = splits is not None or seeds is not None
    if isinstance(attack, Record) and (quick or asked):
        raise click.UsageError("a record brings its own splits and seeds; leave out --quick, --splits and --seeds.")
    if quick and asked:
        raise click.UsageError("--quick has splits and seeds of its own; leave out --splits and --seeds.")
    return (splits or 0, seeds or 0) if asked else None
