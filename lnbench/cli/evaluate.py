"""`lnbench evaluate`: poison, train, attack, score, write the record."""

from __future__ import annotations

from pathlib import Path

import click

from lnbench.cli import _options, _progress


@click.command("evaluate")
@_options.submission
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
      lnbench evaluate adversarial_path --set bucket=middle --track mnist10k-9to0
      lnbench evaluate hf://user/name@revision
    """
    poisoner, chosen, drawn = _options.load_poisoner(submission, settings, track)
    from lnbench import evaluate as conductor
    from lnbench import record
    from lnbench.cli import _report
    from lnbench.protocol import PUBLIC_SALT, canonical_json

    season, salt = (drawn["season"], drawn["salt"]) if drawn else (season, None)
    salt = salt or _options.season_salt(season, salt_file, board, unsafe_no_sandbox) or PUBLIC_SALT
    sandbox = "none" if drawn else _options.sandbox(unsafe_no_sandbox, poisoner.file)
    with _progress.reporter() as report:
        result = conductor.evaluate(
            poisoner,
            chosen,
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
    path = (out or Path("records") / chosen.name) / result.filename
    record.write(result, path)
    _report.print_record(result)
    if as_json:
        click.echo(canonical_json(result.document), nl=False)
    if keep_victims is not None:
        click.echo(f"victims: {keep_victims}", err=True)
    click.echo(f"record: {path}", err=True)
