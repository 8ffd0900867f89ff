"""`lnbench truth`: tables of what flips do to networks."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lnbench.cli import _groups, _options, _output, _progress, _result

if TYPE_CHECKING:
    from lnbench.poison.submission import Submission
    from lnbench.protocol import Track
    from lnbench.truth.analysis import Choices
    from lnbench.truth.ground_truth import GroundTruth
    from lnbench.truth.report import PointScores


@click.group("truth", cls=_groups.Group)
def command() -> None:
    """Build and read tables of what every flip, or set of flips, does to networks."""


@command.command("build")
@click.option("--table", type=click.Choice(["a", "b", "c", "n"]), required=True, help="Which table.")
@click.option("--splits", default="0", show_default=True, metavar="FROM-TO", help="Splits, as 7 or 0-47.")
@_options.track_option
@click.option("--victim", "victims", multiple=True, metavar="NAME", help="One architecture alone. [default: all]")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=Path("truth"), show_default=True)
@_options.training
@_result.json_option
def build(
    table: str,
    splits: str,
    track: str | None,
    victims: tuple[str, ...],
    out: Path,
    device: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """Train networks on every set of flips of a table, and write it as parquet.

    \b
    a  every single flip
    b  every flip and every pair
    c  every set of one to four flips among 18 points of the class
    n  random sets of 1 to 40 flips

    Each with clean labels beside them, and four seeds. Results are stored as they come, and a run that was killed goes
    on where it was. The file is OUT/data/TABLE/train-00000-of-00001.parquet, with a card as the Hub wants one.

    \b
      lnbench truth build --table a --splits 0-47
    """
    from lnbench.evaluation import nodes
    from lnbench.evaluation.store import Store
    from lnbench.protocol import sha256
    from lnbench.truth import build as builder
    from lnbench.truth import folder, ground_truth

    chosen, numbers, path = _options.load_track(track), _range(splits), folder.place(out, table)
    _output.writable(path.parent)
    pool = nodes.engine("local", workers, device)
    with _progress.reporter() as report:
        rows, seconds = builder.build(
            chosen, table, numbers, pool, Store(), report, architectures=victims or None, device=device
        )
    content = ground_truth.as_parquet(rows, table, chosen)
    _output.write_file(path, content)
    _output.write_file(out / "README.md", folder.card(out, chosen))
    result = _result.Result(as_json)
    result.say(f"{len(rows)} networks, {seconds:.3f} s of a core each; sha256 {sha256(content)}")
    result.give({"file": str(path), "networks": len(rows), "seconds_each": seconds, "sha256": sha256(content)})
    click.echo(f"table: {path}", err=True)


@command.command("summary")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_options.track_option
@click.option("--scores", is_flag=True, help="Rank single flips by what is said to make a point harmful (table a).")
@click.option("--out", type=click.Path(path_type=Path), default=None, metavar="FILE|DIR", help="Write it here as well.")
@click.option("--json", is_flag=True, expose_value=False, help="As it does anyway.")
def summary(file: Path, track: str | None, scores: bool, out: Path | None) -> None:
    """Print what a table says, as JSON: best flips, regret, where harm comes from; of table n, AA by random flips.

    \b
      lnbench truth summary truth/data/a/train-00000-of-00001.parquet --scores
    """
    import json

    from lnbench.truth import report

    chosen = _options.load_track(track)
    truth = report.of_track(file, chosen)
    made = report.findings(truth, chosen, _scores(chosen, truth.splits, None) if scores else None)
    document = {
        "track": chosen.name,
        "version": chosen.version,
        "track_sha256": chosen.sha256,
        "table": truth.table,
        **report.facts(truth, file, chosen),
    }
    if truth.table == "n":
        document |= {name: made[name] for name in ("budgets", "accuracies")}
    else:
        document["findings"] = made
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
    click.echo(text)
    if out is not None:
        _output.write_file(out / f"{truth.table}.json" if out.is_dir() else out, f"{text}\n".encode())


@command.command("report")
@_options.track_option
@click.option(
    "--tables",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("truth"),
    show_default=True,
    help="The folder that `lnbench truth build` wrote to.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("leaderboard/truth"),
    show_default=True,
    help="Folder of TRACK.json, the figures and the page.",
)
@click.option("--scores", is_flag=True, help="Rank single flips by what is said to make a point harmful.")
@click.option(
    "--attack", "attacks", multiple=True, metavar="ROW", help="Show an attack's regret, as NAME or NAME(bucket=far)."
)
@click.option("--check", is_flag=True, help="Write nothing: compare page, figures and the tables that are here.")
@click.option("--workers", type=click.IntRange(1), default=None, help="Processes at a time. [default: one per core]")
@_result.json_option
def report_command(
    track: str | None,
    tables: Path,
    out: Path,
    scores: bool,
    attacks: tuple[str, ...],
    check: bool,
    workers: int | None,
    as_json: bool,
) -> None:
    """Write what all tables of a track say, as JSON, a page and figures; the board takes table n from there.

    Scores and attacks' labels are stored as they come, so a run that was killed goes on where it was. Tables that are
    in the report and not in the folder of tables keep their findings.

    \b
      lnbench truth report --scores --attack matched_search --attack "degree_bucket(bucket=sparsest)"
      lnbench truth report --check
    """
    from lnbench.errors import ProtocolError
    from lnbench.truth import folder, report

    chosen, result = _options.load_track(track), _result.Result(as_json)
    if check:
        if scores or attacks:
            raise click.UsageError("--check makes nothing; give it without --scores and --attack.")
        _check(report.drifted(out, tables, chosen), out, result)
        return
    here = report.tables_in(tables, chosen)
    if not here:
        raise ProtocolError(f"{tables} has no table of {chosen.name}; `lnbench truth build --table a` makes one.")
    submissions = {row: _attack(row) for row in attacks}
    _output.writable(out)
    made = report.known(out, chosen)
    of_sets = [truth for name, truth in here.items() if name != "n"]
    by_split = _scores(chosen, sorted({s for truth in of_sets for s in truth.splits}), workers) if scores else None
    for name, truth in here.items():
        choices = _choices(truth, chosen, submissions, workers) if submissions else None
        made[name] = {
            **report.facts(truth, folder.place(tables, name), chosen),
            "findings": report.findings(truth, chosen, by_split, choices),
        }
    asked = "".join([" --scores" * scores, *(f" --attack {shlex.quote(row)}" for row in attacks)])
    of = "" if track is None else f" --track {shlex.quote(chosen.name)}"
    document = report.document(chosen, made, f"lnbench truth report{of}{asked}")
    for path in report.write(document, out):
        result.say(f"written: {path}")
    result.give(document)


def _check(wrong: list[str], out: Path, result: _result.Result) -> None:
    result.give({"differs": wrong})
    for path in wrong:
        result.say(f"differs: {path}")
    if wrong:
        click.echo(f"error: {out} is not what its numbers say; run `lnbench truth report` again.", err=True)
        raise click.exceptions.Exit(1)
    result.say(f"{out} is what its numbers say.")


def _attack(row: str) -> Submission:
    from lnbench.evaluation import units

    return units.submission_of(row)


def _scores(track: Track, splits: list[int], workers: int | None) -> PointScores:
    from lnbench.evaluation import machine
    from lnbench.evaluation.engine import engine
    from lnbench.evaluation.store import Store
    from lnbench.truth import point_scores

    with _progress.reporter() as report:
        made = point_scores.of_splits(track, splits, engine("local", machine.workers(workers, "cpu")), Store(), report)
    return dict(zip(splits, made, strict=True))


def _choices(truth: GroundTruth, track: Track, attacks: Mapping[str, Submission], workers: int | None) -> Choices:
    from lnbench.evaluation import machine
    from lnbench.evaluation.store import Store
    from lnbench.truth import choices

    mode = machine.resolved_sandbox("auto")
    with _progress.reporter() as report:
        return choices.of_attacks(truth, track, attacks, mode, machine.workers(workers, "cpu"), Store(), report)


def _range(text: str) -> list[int]:
    """The splits of `7` or `0-47`."""
    match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", text)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise click.UsageError(f"--splits: expected a number like 7 or a range like 0-47, got {text!r}.")
    return list(range(int(match[1]), int(match[2] or match[1]) + 1))
