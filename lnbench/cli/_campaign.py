"""A campaign on the command line: what it consists of, and a line for what became of each row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lnbench.cli import _log, _options, _output, _progress
from lnbench.text import marked

if TYPE_CHECKING:
    from lnbench.evaluation.engine import Engine
    from lnbench.evaluation.store import Store
    from lnbench.evaluation.units import Unit


def refuse(folder: Path | None, submission: str | None, track: str | None, settings: Mapping[str, str]) -> None:
    """Refuse what makes no sense together.

    Raises:
        UsageError: in a sentence.
    """
    if folder is not None and submission is not None:
        raise click.UsageError("--all takes every poisoner of a folder; give it or one FILE, not both.")
    if folder is not None and (track is not None or settings):
        raise click.UsageError(
            "--all goes with --tracks, not --track, and takes parameters from strategies.toml alone."
        )
    if folder is None and submission is None:
        raise click.MissingParameter(param_hint="'FILE|NAME'", param_type="argument")


def refuse_alone(given: Mapping[str, Any]) -> None:
    """Refuse the options, by name, that go with one evaluation alone.

    Raises:
        UsageError: in a sentence.
    """
    if wrong := [name for name, value in given.items() if value]:
        raise click.UsageError(f"{wrong[0]} goes with one evaluation, not with --all or --shard.")


def units(folder: Path | None, submission: str | None, tracks: str | None, settings: dict[str, str]) -> list[Unit]:
    """The units that the command line asks for.

    Args:
        tracks: names or files with commas between them; None for the default track.
    """
    from lnbench.evaluation.units import Unit, units_of

    chosen = (
        [_options.load_track(name.strip()) for name in tracks.split(",")] if tracks else [_options.load_track(None)]
    )
    if folder is not None:
        return units_of(folder, chosen)
    one = _options.load_submission(submission or "", settings)
    shown = ", ".join(f"{name}={value}" for name, value in sorted(one.parameters.items()))
    return [Unit(f"{one.name}({shown})" if shown else one.name, one, track) for track in chosen]


def run(
    given: Sequence[Unit],
    pool: Engine,
    store: Store,
    shard: str | None,
    out: Path | None,
    *,
    quick: bool,
    device: str,
    workers: int | None,
    own_splits: bool,
    unsafe: bool,
) -> int:
    """Run a campaign, or a shard of it, and write its records; the gravest exit code of its rows."""
    from lnbench.evaluation.campaign import RECORDS, VICTIMS, Campaign
    from lnbench.evaluation.units import Share

    share = Share() if shard is None else Share.parse(shard)
    if unsafe:
        _options.sandbox(True, "every file of the campaign")
    folders = (
        {} if shard else {unit.track.name: _output.records_folder(_below(out, unit), unit.track) for unit in given}
    )
    codes, written = {0}, 0
    with _progress.reporter() as report:
        campaign = Campaign(
            given,
            pool,
            store,
            quick=quick,
            device=device,
            workers=workers,
            sandbox="none" if unsafe else "auto",
            own_splits=own_splits,
            share=share,
            until=VICTIMS if shard else RECORDS,
            on_progress=report,
        )
        for result in campaign.run():
            what = f"{result.row} on {result.track}" if result.row else result.track
            if result.error is not None:
                codes.add(result.error.exit_code)
                click.echo(f"error: {what}: {marked(str(result.error))}", err=True)
                _log.under(result.error)
            elif result.record is not None:
                path, written = _output.write(result.record, folders[result.track]), written + 1
                score = result.record.score
                low, high = score.ci95_pp or (float("nan"), float("nan"))
                click.echo(f"{what}: {score.drop_pp:+.1f} [{low:+.1f}, {high:+.1f}] {path}")
    if shard:
        click.echo(
            f"shard {shard} of campaign {campaign.identity} is done; without --shard the records are written.", err=True
        )
    else:
        click.echo(f"campaign {campaign.identity}: {written} of {len(given)} records written.", err=True)
    return max(codes)


def _below(out: Path | None, unit: Unit) -> Path | None:
    """The folder of a track's records below the one asked for."""
    return None if out is None else out / unit.track.name
