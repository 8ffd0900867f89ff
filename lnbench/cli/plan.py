"""`lnbench plan`: what many submissions will take, and what a board of many records will."""

from __future__ import annotations

from pathlib import Path

import click

from lnbench.cli import _complete, _options, _progress

_RUNS = 5
"""Simulated runs."""


@click.command("plan")
@click.argument("tracks", metavar="[TRACK]...", nargs=-1, shell_complete=_complete.tracks)
@click.option(
    "--submissions", type=click.IntRange(1, 1_000_000), default=1000, show_default=True, metavar="N", help="Rows."
)
@click.option(
    "--gpus",
    "devices",
    type=click.IntRange(1),
    default=64,
    show_default=True,
    metavar="N",
    help="Devices at once: GPUs, or cores with --device cpu.",
)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cuda", show_default=True, help="Which kind.")
@click.option(
    "--price", type=click.FloatRange(0), default=None, metavar="P", help="Of an hour of one device, in any currency."
)
@click.option(
    "--cell-seconds",
    type=click.FloatRange(0, min_open=True),
    default=None,
    metavar="S",
    help="Seconds of a cell, where nothing was measured.",
)
@click.option(
    "--stragglers",
    type=click.FloatRange(0, 1),
    default=0.02,
    show_default=True,
    help="Share of cells that take four times as long.",
)
@click.option(
    "--hours-to-failure",
    type=click.FloatRange(0, min_open=True),
    default=500.0,
    show_default=True,
    help="Of one device, on average.",
)
@click.option(
    "--records", type=click.IntRange(1), default=None, metavar="N", help="Reckon a board of so many records too."
)
@_options.board_option
@_options.store
def command(
    tracks: tuple[str, ...],
    submissions: int,
    devices: int,
    device: str,
    price: float | None,
    cell_seconds: float | None,
    stragglers: float,
    hours_to_failure: float,
    records: int | None,
    board: Path,
    store: str | None,
) -> None:
    """Reckon cells, device hours, cost and wall time of full evaluations, from seconds that cells took.

    The seconds are those of the cells in the store. Wall time is reckoned twice: by arithmetic, and by a simulation of
    every cell with stragglers and failing devices. --records extrapolates what building, storing and searching the
    board costs, and says what breaks first.

    \b
      lnbench plan digits-9to0 --submissions 1000 --gpus 64 --device cpu --price 0.05
      lnbench plan --records 1000000
    """
    if not tracks and records is None:
        raise click.UsageError("name a track, or give --records.")
    if tracks:
        _evaluations(tracks, submissions, devices, device, price, cell_seconds, stragglers, hours_to_failure, store)
    if records is not None:
        _board(records, board)


def _evaluations(
    names: tuple[str, ...],
    submissions: int,
    devices: int,
    device: str,
    price: float | None,
    cell_seconds: float | None,
    stragglers: float,
    hours_to_failure: float,
    store: str | None,
) -> None:
    from tabulate import tabulate

    from lnbench.evaluation import forecast
    from lnbench.evaluation.plan import stack_size
    from lnbench.evaluation.shared_store import open_store

    opened, cells, rows = open_store(store), list[forecast.Cells](), []
    for name in names:
        track = _options.load_track(name)
        if cell_seconds is None:
            measured, environment = forecast.seconds_in(opened, track)
        else:
            places = track.replication.splits * track.replication.seeds
            sizes = {victim.name: min(places, stack_size(victim, device)) for victim in track.victims}
            measured, environment = {name: (cell_seconds / size, 0.0, 0) for name, size in sizes.items()}, ""
        cells += forecast.cells_of(track, device, measured)
        if environment:
            click.echo(f"{track.name}: seconds of environment {environment[:8]}")
    for some in cells:
        hours = some.count(submissions) * some.seconds / 3600
        of = f"{some.seconds:.1f} ± {some.spread:.1f}"
        rows.append(
            [
                some.track,
                some.victim,
                some.shared,
                some.own,
                some.count(submissions),
                of,
                some.measured,
                f"{hours:,.1f}",
            ]
        )
    head = ["track", "victim", "shared cells", "each row", "all cells", "seconds each", "measured", "device hours"]
    click.echo(
        tabulate(rows, head, tablefmt="plain", disable_numparse=True, stralign="right", colalign=("left", "left"))
    )
    faults = forecast.Faults(stragglers=stragglers, hours_to_failure=hours_to_failure)
    total = sum(some.count(submissions) for some in cells)
    hours = sum(some.count(submissions) * some.seconds for some in cells) / 3600
    by_arithmetic = forecast.reckoned(cells, submissions, devices, faults)
    runs = [forecast.simulated(cells, submissions, devices, faults, i) for i in range(_RUNS)]
    mean = sum(runs) / len(runs)
    click.echo(f"\n{submissions} rows, {total:,} cells, {hours:,.1f} device hours of work on {devices} devices")
    click.echo(f"wall time by arithmetic      {_progress.duration(by_arithmetic)}")
    apart = mean / by_arithmetic - 1
    spread = f"{_progress.duration(min(runs))} to {_progress.duration(max(runs))}"
    click.echo(f"wall time by simulation      {_progress.duration(mean)} ({_RUNS} runs: {spread}; {apart:+.0%})")
    if price is not None:
        whole, work = devices * mean / 3600 * price, hours * price
        click.echo(
            f"cost                         {whole:,.2f} for all devices until the end, {work:,.2f} for work alone"
        )


def _board(records: int, board: Path) -> None:
    from tabulate import tabulate

    from lnbench.board.scale import costs

    found = costs(board)
    rows = [
        [
            cost.what,
            f"{cost.here:.3g} {cost.unit}",
            f"{cost.at(records):,.3g} {cost.unit}",
            f"{cost.limit:g} {cost.unit}: {cost.why}",
            f"{cost.breaks_at:,}",
        ]
        for cost in found
    ]
    click.echo(f"\nA board of {records:,} records, from what the records in {board} cost\n")
    click.echo(tabulate(rows, ["what", "here", "then", "limit", "passed at"], tablefmt="plain", disable_numparse=True))
    click.echo(f"\nFirst to break: {found[0].what}, at {found[0].breaks_at:,} records.")
