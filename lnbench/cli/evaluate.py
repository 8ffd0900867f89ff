"""`lnbench evaluate`: poison, train, attack, score, write the record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lnbench.cli import _options, _progress


def _budgets(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...]:
    """K,K,… as ascending integers, each once."""
    parts = [] if value is None else value.split(",")
    if not all(part.strip().isascii() and part.strip().isdigit() and len(part) < 10 for part in parts):
        raise click.BadParameter(f"expected whole numbers such as 1,2,4,8, got {value!r}.", ctx, parameter)
    return tuple(sorted({int(part) for part in parts}))


@click.command("evaluate")
@_options.submission
@click.option(
    "--budget",
    "budgets",
    metavar="K[,K...]",
    default=None,
    callback=_budgets,
    help="Other budgets than the track's: the curve of AA against η, with unranked records.",
)
@click.option("--quick", is_flag=True, help="Fewer splits and seeds: a first look, never ranked.")
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda", "auto"]),
    default="cpu",
    show_default=True,
    help="Where victims train.",
)
@click.option("--workers", type=click.IntRange(1), default=None, help="Processes at a time. [default: one per core]")
@click.option("--engine", default="local", show_default=True, metavar="ENGINE", help="Where the processes run.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    metavar="DIR",
    help="Where the record is written. [default: ./records/TRACK]",
)
@click.option(
    "--keep-victims",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    metavar="DIR",
    help="Train every victim once more and keep it there as safetensors.",
)
@_options.season
@click.option("--json", "as_json", is_flag=True, help="Print exactly the record on stdout.")
def command(
    submission: str,
    track: str | None,
    settings: dict[str, str],
    budgets: tuple[int, ...],
    quick: bool,
    device: str,
    workers: int | None,
    engine: str,
    out: Path | None,
    keep_victims: Path | None,
    season: str | None,
    salt_file: Path | None,
    board: Path,
    as_json: bool,
    unsafe_no_sandbox: bool,
) -> None:
    """Score a poisoner on a track.

    FILE holds one class derived from lnbench.Poisoner; NAME is a reference attack such as random_flip; hf:// and a
    dataset's name on the Hugging Face Hub stand for the labels published there. The labels train
    victims, an adversary attacks them, and the score is how much lower their adversarial accuracy is than that of
    victims trained on as many random flips. Arms that were computed before are reused, and a run that was killed
    resumes.

    \b
      lnbench evaluate submissions/my_poisoner.py --quick
      lnbench evaluate submissions/my_poisoner.py --quick --budget 1,2,4,8
      lnbench evaluate adversarial_path --set bucket=middle --track mnist10k-9to0
      lnbench evaluate hf://user/name@revision
    """
    poisoner, chosen, drawn = _options.load_poisoner(submission, settings, track)
    from lnbench import record
    from lnbench.cli import _report
    from lnbench.evaluation import conductor
    from lnbench.protocol import PUBLIC_SALT, canonical_json

    season, salt = (drawn["season"], drawn["salt"]) if drawn else (season, None)
    salt = salt or _options.season_salt(season, salt_file, board, unsafe_no_sandbox) or PUBLIC_SALT
    sandbox = "none" if drawn else _options.sandbox(unsafe_no_sandbox, poisoner.file)

    def run(on: Any) -> tuple[record.Record, Path]:
        with _progress.reporter() as report:
            made = conductor.evaluate(
                poisoner,
                on,
                quick=quick,
                device=device,
                workers=workers,
                engine=engine,
                sandbox=sandbox,
                keep_victims=keep_victims,
                salt=salt,
                season=season,
                on_progress=report,
            )
        record.write(made, folder / made.filename)
        return made, folder / made.filename

    folder = out or Path("records") / chosen.name
    if budgets:
        _curve(chosen, budgets, run, folder, as_json)
        return
    result, path = run(chosen)
    _report.print_record(result)
    if as_json:
        click.echo(canonical_json(result.document), nl=False)
    if keep_victims is not None:
        click.echo(f"victims: {keep_victims}", err=True)
    click.echo(f"record: {path}", err=True)


def _curve(track: Any, ks: tuple[int, ...], run: Callable[[Any], Any], folder: Path, as_json: bool) -> None:
    """One evaluation a budget; a table, a figure and a document of them."""
    from lnbench.board.budget_curve import figure
    from lnbench.cli import _report
    from lnbench.evaluation import budget_curve
    from lnbench.files import write_atomically
    from lnbench.protocol import canonical_json

    tracks = [budget_curve.at_budget(track, k) for k in ks]
    records = []
    for at in tracks:
        click.echo(f"budget {at.noise.budget}", err=True)
        records.append(run(at)[0])
    document = budget_curve.curve(track, records)
    _report.print_budgets(records)
    for suffix, data in (("json", canonical_json(document)), ("svg", figure(document).encode())):
        path = folder / f"{records[0].filename.rsplit('-', 1)[0]}-budgets.{suffix}"
        write_atomically(path, data)
        click.echo(f"curve: {path}", err=True)
    if as_json:
        click.echo(canonical_json(document), nl=False)
