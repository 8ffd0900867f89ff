"""`lnbench matrix`: every defence against every attack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lnbench.cli import _options, _output, _progress, _result

if TYPE_CHECKING:
    from lnbench.poison.submission import Submission
    from lnbench.protocol import Track


def _names(ctx: click.Context, parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    """NAME,NAME,…"""
    return () if value is None else tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))


@click.command("matrix")
@_options.track_option
@click.option(
    "--defences", "defences", metavar="NAME[,NAME...]", default=None, callback=_names, help="[default: all of them]"
)
@click.option(
    "--attacks",
    "attacks",
    metavar="NAME[,NAME...]",
    default=None,
    callback=_names,
    help="`best` is the board's best row. [default: my_poisoner,mean_matching,matched_search,best]",
)
@click.option("--knowing/--no-knowing", default=True, help="Also an attacker that knows each defence. [default: yes]")
@click.option("--quick", is_flag=True, help="Fewer splits and seeds: a first look.")
@click.option("--splits", type=click.IntRange(2), default=None, help="Splits other than the track's.")
@click.option("--seeds", type=click.IntRange(1), default=None, help="Seeds other than the track's.")
@_options.training
@click.option(
    "--records",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    metavar="DIR",
    help="Where the records are written. [default: records/TRACK in the folder of the page]",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("leaderboard/defences"),
    show_default=True,
    help="Folder of the page, its heat maps and its JSON files.",
)
@click.option("--check", is_flag=True, help="Compare page, heat maps, JSON files and records; run nothing.")
@_options.board_option
@_result.json_option
def command(
    track: str | None,
    defences: tuple[str, ...],
    attacks: tuple[str, ...],
    knowing: bool,
    quick: bool,
    splits: int | None,
    seeds: int | None,
    device: str,
    workers: int | None,
    records: Path | None,
    out: Path,
    check: bool,
    board: Path,
    as_json: bool,
) -> None:
    """Score every defence against every attack, and draw the page of defences.

    Record by record, and the page anew after each; a run that was stopped resumes, and a defence or an attack that is
    added later costs only its own pairs.

    \b
      lnbench matrix --track digits-9to0                                    # some two hours on two cores
      lnbench matrix --splits 4 --seeds 1 --defences gce --attacks my_poisoner --out matrix
    """
    from lnbench.board import defences as pages
    from lnbench.evaluation import matrix
    from lnbench.evaluation.bundled import defences as bundled
    from lnbench.record import defence

    result = _result.Result(as_json)
    if check:
        _check(result, out)
        return
    if quick and (splits or seeds):
        raise click.UsageError("--quick has splits and seeds of its own; leave out --splits and --seeds.")
    chosen = _options.load_track(track)
    size = chosen.replication
    replication = (splits or size.splits, seeds or size.seeds) if splits or seeds else None
    folder = _output.records_folder(records or pages.records_of(out, chosen.name), chosen)
    _output.writable(out)
    _options.sandbox(False, "")
    tried = _attacks(attacks or matrix.ATTACKS, chosen, board)
    pairs: list[matrix.Pair] = []
    with _progress.reporter() as report:
        for pair in matrix.run(
            defences or tuple(bundled()),
            tried,
            chosen,
            knowing=knowing,
            quick=quick,
            replication=replication,
            workers=workers,
            device=device,
            on_progress=report,
        ):
            pairs.append(pair)
            if pair.record is not None:
                defence.write(pair.record, folder / pair.record.filename)
                result.say(f"{pair.defence} against {pair.attack}: {folder / pair.record.filename}")
            else:
                result.say(f"{pair.defence} against {pair.attack}: {pair.error}")
            if any(one.record is not None for one in pairs):
                written = pages.write(matrix.document(pairs, chosen), out)
    for path in written if pairs else ():
        result.say(f"written: {path}")
    made = any(pair.record is not None for pair in pairs)
    result.give(matrix.document(pairs, chosen) if made else {"pairs": []})


def _attacks(names: tuple[str, ...], track: Track, board: Path) -> list[Submission]:
    """The attacks of these names; `best` as the board has it, left out where that is one of the others."""
    from lnbench.board.tables import best_row
    from lnbench.poison.submission import Submission

    made = [_options.load_submission(name, {}) for name in names if name != "best"]
    if "best" in names:
        row = best_row(board / "records", track)
        if row is None:
            click.echo(f"note: the board in {board} has no row of {track.name}, so there is no best attack.", err=True)
        else:
            block = row.poisoner
            best = Submission.from_bytes(f"{block.name}.py", block.source.encode(), dict(block.parameters))
            if all((best.sha256, best.overrides) != (one.sha256, one.overrides) for one in made):
                made.append(best)
            click.echo(f"the board's best attack on {track.name} is {row.label}.", err=True)
    return made


def _check(result: _result.Result, folder: Path) -> None:
    """Exit with 1 if the page or a heat map is not what the JSON files say, or they are not what the records say."""
    from lnbench.board import defences as pages

    wrong = pages.drifted(_options.existing(folder, "--out"))
    for path in wrong:
        result.say(f"differs: {path}")
    result.give({"differs": [str(path) for path in wrong]})
    if wrong:
        click.echo(f"error: {folder} is not what its records say; run `lnbench matrix` again.", err=True)
        raise click.exceptions.Exit(1)
    result.say(f"the page of defences in {folder} is what its records say.")
