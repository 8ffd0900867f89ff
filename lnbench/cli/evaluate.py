"""`lnbench evaluate`: poison, train, attack, score, write the record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lnbench.cli import _log, _options, _other_kinds, _output, _progress, _result

if TYPE_CHECKING:
    from lnbench.protocol import Track
    from lnbench.record.record import Record


def _budgets(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...]:
    """K,K,… as ascending integers, each once."""
    parts = [] if value is None else value.split(",")
    if not all(part.strip().isascii() and part.strip().isdigit() and len(part) < 10 for part in parts):
        raise click.BadParameter(f"expected whole numbers such as 1,2,4,8, got {value!r}.", ctx, parameter)
    return tuple(sorted({int(part) for part in parts}))


@click.command("evaluate")
@_options.submission_or_folder
@click.option(
    "--budget",
    "budgets",
    metavar="K[,K...]",
    default=None,
    callback=_budgets,
    help="Other budgets than the track's: the curve of AA against η, with unranked records.",
)
@click.option("--quick", is_flag=True, help="Fewer splits and seeds: a first look, never ranked.")
@_options.cluster_device_option
@_options.workers_option
@click.option(
    "--engine", default="local", show_default=True, metavar="ENGINE", help="Where the processes run: local or ray."
)
@click.option(
    "--address", metavar="HOST:PORT", default=None, help="The Ray cluster to use. [default: Ray on this machine]"
)
@_options.store
@click.option(
    "--all",
    "folder",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR",
    help="A campaign: every poisoner of a folder, in place of FILE.",
)
@click.option("--tracks", metavar="TRACK[,TRACK...]", default=None, help="The tracks of a campaign.")
@click.option(
    "--shard", metavar="I/N", default=None, help="Do this part of the work into the store, and write no record."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    metavar="DIR|FILE",
    help="Where the record is written: a folder, or a .json file. [default: ./records/TRACK]",
)
@click.option(
    "--keep-victims",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    metavar="DIR",
    help="Train every victim once more and keep it there as safetensors.",
)
@_options.season
@click.option(
    "--own-splits",
    is_flag=True,
    help="Draw the splits from the submission itself, which no choice of its contents can fit.",
)
@click.option("--json", "as_json", is_flag=True, help="Print exactly the record on stdout.")
def command(
    submission: str | None,
    track: str | None,
    settings: dict[str, str],
    budgets: tuple[int, ...],
    quick: bool,
    device: str,
    workers: int | None,
    engine: str,
    address: str | None,
    store: str | None,
    folder: Path | None,
    tracks: str | None,
    shard: str | None,
    out: Path | None,
    keep_victims: Path | None,
    season: str | None,
    salt_file: Path | None,
    board: Path,
    own_splits: bool,
    as_json: bool,
    unsafe_no_sandbox: bool,
) -> None:
    """Score a poisoner on a track.

    FILE holds one class derived from lnbench.Poisoner; NAME is a reference attack such as random_flip; hf:// and a
    dataset's name on the Hugging Face Hub stand for the labels published there, and `human` for the mistakes of people
    on a track whose data has them. The labels train victims, an adversary attacks them, and the score is how much lower
    their adversarial accuracy is than that of victims trained on as many random flips. Arms that were computed before
    are reused, and a run that was killed resumes.

    \b
      lnbench evaluate submissions/my_poisoner.py --quick
      lnbench evaluate submissions/my_poisoner.py --quick --budget 1,2,4,8
      lnbench evaluate adversarial_path --set bucket=middle --track mnist10k-9to0
      lnbench evaluate hf://user/name@revision
      lnbench evaluate --all attacks --tracks digits-9to0,mnist10k-9to0 --engine ray
    """
    from lnbench.api.evaluate import requested
    from lnbench.cli import _campaign, _report
    from lnbench.evaluation import conductor, machine, nodes
    from lnbench.evaluation.season import caution
    from lnbench.evaluation.shared_store import open_store
    from lnbench.poison.submission import Submission
    from lnbench.protocol import canonical_json

    if folder is not None or shard is not None:
        _campaign.refuse(folder, submission, track, settings)
        if out is not None and out.suffix == ".json":
            raise click.UsageError("the records of a campaign need a folder: --out DIR.")
        alone = {"--budget": budgets, "--keep-victims": keep_victims, "--season": season, "--json": as_json}
        _campaign.refuse_alone(alone)
        raise click.exceptions.Exit(
            _campaign.run(
                _campaign.units(folder, submission, tracks or track, settings),
                nodes.engine(engine, workers, machine.resolved_device(device), address),
                open_store(store),
                shard,
                out,
                quick=quick,
                device=machine.resolved_device(device),
                workers=workers,
                own_splits=own_splits,
                unsafe=unsafe_no_sandbox,
            )
        )
    if submission is None:
        raise click.MissingParameter(param_hint="'FILE|NAME'", param_type="argument")
    if tracks is not None:
        raise click.UsageError("--tracks goes with --all; for one file give --track.")
    if budgets and out is not None and out.suffix == ".json":
        raise click.UsageError("a curve over budgets has several files: --out DIR.")
    opened = open_store(store)
    request = requested(
        submission,
        track,
        settings,
        sandbox="none" if unsafe_no_sandbox else "auto",
        season=season,
        salt_file=salt_file,
        board=board,
        store=opened,
    )
    if request.season is not None and (said := caution()):
        click.echo(f"note: {said}", err=True)
    sandbox = "none"
    if isinstance(request.poisoner, Submission):
        sandbox = _options.sandbox(unsafe_no_sandbox, request.poisoner.file)
    else:
        click.echo(f"labels only: {request.poisoner.source}", err=True)
    records = _output.records_folder(out, request.track)
    _output.writable(keep_victims)
    pool = nodes.engine(engine, workers, machine.resolved_device(device), address)

    def run(on: Track) -> tuple[Record, Path]:
        with _progress.reporter() as report:
            made = conductor.evaluate(
                request.poisoner,
                on,
                quick=quick,
                device=device,
                workers=workers,
                engine=pool,
                sandbox=sandbox,
                store=opened,
                keep_victims=keep_victims,
                salt=request.salt,
                season=request.season,
                own_splits=own_splits,
                on_progress=report,
                on_log=lambda split, log: _log.tell(f"split {split}", log),
            )
        return made, _output.write(made, records, as_json=as_json)

    if budgets:
        _curve(request.track, budgets, run, records, as_json)
        return
    result, path = run(request.track)
    _report.print_record(result, err=as_json)
    _report.print_placing(result, board, err=as_json)
    if as_json:
        click.echo(canonical_json(result.document), nl=False)
    if keep_victims is not None:
        click.echo(f"victims: {keep_victims}", err=True)
    click.echo(f"record: {path}", err=True)


def _curve(
    track: Track, budgets: tuple[int, ...], run: Callable[[Track], tuple[Record, Path]], folder: Path, as_json: bool
) -> None:
    """One evaluation a budget; a table, a figure and a document of them."""
    from lnbench.board.budget_curve import figure
    from lnbench.evaluation import budget_curve
    from lnbench.protocol import canonical_json

    records = []
    for varied in budget_curve.at_budgets(track, budgets):
        click.echo(f"budget {varied.noise.budget}", err=True)
        records.append(run(varied)[0])
    document = budget_curve.curve(track, records)
    _other_kinds.print_budgets(document, _result.Result(as_json))
    for suffix, content in (("json", canonical_json(document)), ("svg", figure(document).encode())):
        path = folder / f"{budget_curve.stem(records)}.{suffix}"
        _output.write_file(path, content)
        click.echo(f"curve: {path}", err=True)
    if as_json:
        click.echo(canonical_json(document), nl=False)
