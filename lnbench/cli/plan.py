"""`lnbench plan`: what many submissions will take, and what a board of many records will."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from lnbench.cli import _complete, _options, _progress, _result

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
@_result.json_option
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
    as_json: bool,
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
    result, document = _result.Result(as_json), dict[str, Any]()
    if tracks:
        asked = tracks, submissions, devices, device, price, cell_seconds, stragglers, hours_to_failure, store
        document["evaluations"] = _evaluations(result, *asked)
    if records is not None:
        document["board"] = _board(result, records, _options.existing(board, "--board"))
    result.give(document)


def _evaluations(
    result: _result.Result,
    names: tuple[str, ...],
    submissions: int,
    devices: int,
    device: str,
    price: float | None,
    cell_seconds: float | None,
    stragglers: float,
    hours_to_failure: float,
    store: str | None,
) -> dict[str, Any]:
    """Reckon evaluations, say what came out, and return it as a document."""
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
            result.say(f"{track.name}: seconds of environment {environment[:8]}")
    for some in cells:
        hours = some.count(submissions) * some.seconds / 3600
        of = f"{some.seconds:.1f} ± {some.spread:.1f}"
        rows.append(
            [
                some.track,
                some.victim,
                *map(str, (some.shared, some.own, some.count(submissions))),
                of,
                str(some.measured),
                f"{hours:,.1f}",
            ]
        )
    head = ["track", "victim", "shared cells", "each row", "all cells", "seconds each", "measured", "device hours"]
    result.table(head, rows, words=["victim"])
    faults = forecast.Faults(stragglers=stragglers, hours_to_failure=hours_to_failure)
    total = sum(some.count(submissions) for some in cells)
    hours = sum(some.count(submissions) * some.seconds for some in cells) / 3600
    by_arithmetic = forecast.reckoned(cells, submissions, devices, faults)
    runs = [forecast.simulated(cells, submissions, devices, faults, i) for i in range(_RUNS)]
    mean = sum(runs) / len(runs)
    result.say(f"{submissions} rows, {total:,} cells, {hours:,.1f} device hours of work on {devices} devices")
    result.say(f"wall time by arithmetic      {_progress.duration(by_arithmetic)}")
    apart = mean / by_arithmetic - 1
    spread = f"{_progress.duration(min(runs))} to {_progress.duration(max(runs))}"
    result.say(f"wall time by simulation      {_progress.duration(mean)} ({_RUNS} runs: {spread}; {apart:+.0%})")
    document: dict[str, Any] = {
        "submissions": submissions,
        "devices": devices,
        "device": device,
        "cells": [{**dataclasses.asdict(some), "all": some.count(submissions)} for some in cells],
        "device_hours": hours,
        "wall_seconds": {"arithmetic": by_arithmetic, "simulated": runs},
    }
    if price is not None:
        whole, work = devices * mean / 3600 * price, hours * price
        document["cost"] = {"whole": whole, "work": work}
        result.say(
            f"cost                         {whole:,.2f} for all devices until the end, {work:,.2f} for work alone"
        )
    return document


def _board(result: _result.Result, records: int, board: Path) -> list[dict[str, Any]]:
    """Reckon a board, say what came out, and return it as a document."""
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
    result.say(f"A board of {records:,} records, from what the records in {board} cost")
    result.table(["what", "here", "then", "limit", "passed at"], rows, words=["limit"])
    result.say(f"First to break: {found[0].what}, at {found[0].breaks_at:,} records.")
    return [{**dataclasses.asdict(cost), "then": cost.at(records), "breaks_at": cost.breaks_at} for cost in found]
