"""`lnbench tracks`: what there is to be scored on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lnbench.cli import _complete, _groups, _options, _output, _progress, _result

if TYPE_CHECKING:
    from lnbench.protocol import Track


@click.group("tracks", cls=_groups.Group, default="list")
def command() -> None:
    """List, show and validate tracks."""


@command.command("list")
@_result.json_option
def list_tracks(as_json: bool) -> None:
    """One line per track that ships with lnbench."""
    from lnbench.protocol import track as tracks

    result, rows, document = _result.Result(as_json), [], []
    for name in tracks.names():
        track = tracks.load(name)
        rows.append(
            [
                name + (" (default)" if name == tracks.DEFAULT else ""),
                track.title,
                str(track.noise.budget),
                ", ".join(victim.name for victim in track.victims),
                f"{track.replication.splits} × {track.replication.seeds}",
                "yes" if track.calibrated else "not yet: cannot rank",
            ]
        )
        document.append(
            {
                **{key: track.document[key] for key in ("name", "version", "title")},
                "sha256": track.sha256,
                "budget": track.noise.budget,
                "victims": [victim.name for victim in track.victims],
                "splits": track.replication.splits,
                "seeds": track.replication.seeds,
                "calibrated": track.calibrated,
                "default": name == tracks.DEFAULT,
            }
        )
    head = ["track", "what", "k", "victims", "splits × seeds", "calibrated"]
    result.table(head, rows, words=["what", "victims", "splits × seeds", "calibrated"])
    result.give(document)


@command.command("show")
@click.argument("track", required=False, shell_complete=_complete.tracks)
@_result.json_option
def show(track: str | None, as_json: bool) -> None:
    """Everything that can move a score on TRACK, as its file says it.

    \b
      lnbench tracks show digits-9to0
    """
    chosen, result = _options.load_track(track), _result.Result(as_json)
    if not as_json:
        result.say(f"# {chosen.name}, version {chosen.version}, sha256 {chosen.sha256}")
        result.say("\n".join(_lines(chosen.document)))
    result.give({"sha256": chosen.sha256, **chosen.document})


@command.command("validate")
@click.argument("files", metavar="TRACK|FILE...", nargs=-1, required=True, shell_complete=_complete.tracks)
@click.option("--rules", "rules_only", is_flag=True, help="Only check the files against the rules: no run.")
@click.option(
    "--record",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=None,
    help="Take the numbers from this record of random_flip instead of running it.",
)
@_options.training
@_result.json_option
def validate(
    files: tuple[str, ...], rules_only: bool, record: Path | None, device: str, workers: int | None, as_json: bool
) -> None:
    """Check tracks against the rules, and calibrate them by a run.

    The run is random_flip's, on all of the track's splits and seeds, as if the file said `calibrated = true`. What it
    finds is printed and written beside the track, as NAME.calibration.json, for `lnbench power`. A file that breaks the
    rules ends with exit code 2, a track that may not call itself calibrated with 1.

    \b
      lnbench tracks validate mnist-9to0 --device cuda
    """
    if record is not None and len(files) != 1:
        raise click.UsageError("--record goes with one track.")
    chosen = [_options.load_track(name) for name in files]
    result, faults, document = _result.Result(as_json), list[str](), list[dict[str, Any]]()
    for name, track in zip(files, chosen, strict=True):
        note = "" if track.calibrated else ", not calibrated"
        result.say(f"{name}: valid, sha256 {track.sha256}{note}")
        document.append({"name": track.name, "sha256": track.sha256, "calibrated": track.calibrated})
        if not rules_only:
            numbers, found = _calibrate(result, name, track, record, device, workers)
            document[-1] |= {"calibration": numbers, "faults": found}
            faults += [f"{track.name}: {fault}" for fault in found]
    result.give(document)
    for fault in faults:
        click.echo(f"error: {fault}", err=True)
    if faults:
        raise click.exceptions.Exit(1)


@command.command("optimum")
@click.argument("name", metavar="TRACK|FILE", shell_complete=_complete.tracks)
@_options.workers_option
@_result.json_option
def optimum(name: str, workers: int | None, as_json: bool) -> None:
    """Solve for the best flips of every split of TRACK, on a nearest neighbour.

    What it finds is proven, and written beside the track, as NAME.optimum.json: the board then says which share of the
    best possible drop each row gets. It takes some seconds a split; a run that was stopped goes on where it was.

    \b
      lnbench tracks optimum digits-exact
    """
    from statistics import fmean

    from lnbench.evaluation import machine
    from lnbench.evaluation import optimum as solver
    from lnbench.evaluation.engine import engine
    from lnbench.evaluation.store import Store
    from lnbench.record import optimum as optima

    track, beside = _options.load_track(name), optima.place(name)
    _output.writable(beside.parent)
    with _progress.reporter() as report:
        made = solver.best_flips(track, engine("local", machine.workers(workers, "cpu")), Store(), report)
    solver.write(made, beside)
    shares = {
        key: 100 * fmean(split[f"{key}_accuracy"] for split in made["splits"])
        for key in ("clean", "random", "greedy", "best")
    }
    result = _result.Result(as_json)
    result.say(
        f"{track.name}: AA of a nearest neighbour at ε = {made['epsilon']:g}, mean over {len(made['splits'])} splits, "
        f"in %: no flips {shares['clean']:.1f}, {made['budget']} random {shares['random']:.1f}, greedy "
        f"{shares['greedy']:.1f}, best {shares['best']:.1f}."
    )
    result.give({"file": str(beside), **made})
    click.echo(f"optimum: {beside}", err=True)


def _calibrate(
    result: _result.Result, name: str, track: Track, path: Path | None, device: str, workers: int | None
) -> tuple[dict[str, Any], list[str]]:
    """Run, print and write the calibration of one track; its numbers, and why it may not be called calibrated."""
    from lnbench.evaluation import calibration, calibration_run

    beside = calibration.place(name)
    _output.writable(beside.parent)
    if path is not None:
        made, source = calibration_run.of_record(path), path
    else:
        folder = _output.records_folder(None, track)
        with _progress.reporter() as report:
            made = calibration_run.run(track, device=device, workers=workers, on_progress=report)
        source = _output.write(made.record, folder)
        click.echo(f"record: {source}", err=True)
        if made.seconds is None:
            click.echo("some of it came from the store, so seconds and memory were not measured.", err=True)
    numbers = calibration_run.numbers(track, made, str(source))
    _print(result, numbers)
    calibration.write(numbers, beside)
    click.echo(f"calibration: {beside}", err=True)
    faults = calibration.faults(track, numbers)
    if not faults:
        result.say(
            f"{track.name} may call itself calibrated"
            + ("." if track.calibrated else "; set `calibrated = true` in its file to let rows of it rank.")
        )
    return numbers, faults


def _print(result: _result.Result, made: dict[str, Any]) -> None:
    """A calibration as tables and sentences."""
    from lnbench.text import replicates

    rows = []
    for name, values in made["architectures"].items():
        shares = ("clean_adv_acc", "random_adv_acc", "random_at_floor", "random_at_ceiling", "random_memorised")
        shown = [f"{100 * values[share]:.1f}" for share in (*shares, "random_clean_acc")]
        rows.append([name, f"{values['epsilon']:g}", *shown])
    head = ["architecture", "ε", "AA clean", "random", "at floor", "at ceiling", "memorised", "clean acc."]
    result.table(head, rows)
    result.say("In %. At floor, at ceiling: victims of the random arm with an AA of at most 5 or at least 95 %.")
    parts = {name: "–" if value is None else f"{value:.1f}" for name, value in made["components_pp"].items()}
    result.say(
        f"σ in points: split {parts['split']}, seed {parts['seed']}, label set {parts['label_set']}, residual "
        f"{parts['residual']}; of a split's drop {parts['total']}, of which between splits {parts['between']} and "
        f"between seeds of a split {parts['within']}."
    )
    run = made["run"]
    seconds = "not measured" if run["seconds"] is None else f"{run['seconds']:.0f} s on {run['cpu']}"
    memory = "not measured" if run["peak_mib"] is None else f"{run['peak_mib']} MiB in the largest process"
    result.say(f"{replicates(made['splits'], made['seeds'])}; time {seconds}; memory {memory}.")
    resolves = made["resolves_pp_at_80_percent_power"]
    result.say(f"They find a true drop of {resolves} pp with 80 % power.")


def _lines(table: object, prefix: str = "") -> list[str]:
    """A parsed TOML document, one `path.to.key = value` a line."""
    if isinstance(table, dict):
        return [
            line for key, value in table.items() for line in _lines(value, f"{prefix}.{key}" if prefix else str(key))
        ]
    if isinstance(table, list) and table and isinstance(table[0], dict):
        return [line for i, value in enumerate(table) for line in _lines(value, f"{prefix}[{i}]")]
    import json

    return [f"{prefix} = {json.dumps(table, ensure_ascii=False)}"]
