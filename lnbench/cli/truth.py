"""`lnbench truth`: tables of what flips do to networks."""

from __future__ import annotations

import re
from pathlib import Path

import click

from lnbench.cli import _groups, _options, _output, _progress, _result


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
    from lnbench.evaluation import machine
    from lnbench.evaluation.engine import engine
    from lnbench.evaluation.store import Store
    from lnbench.protocol import sha256
    from lnbench.truth import build as builder
    from lnbench.truth import folder, ground_truth

    chosen, numbers, path = _options.load_track(track), _range(splits), folder.place(out, table)
    _output.writable(path.parent)
    pool = engine("local", machine.workers(workers, device))
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

    from lnbench import data
    from lnbench.errors import ProtocolError
    from lnbench.protocol import sha256
    from lnbench.truth import analysis
    from lnbench.truth.ground_truth import ground_truth
    from lnbench.truth.scores import scores as scores_of

    chosen, truth = _options.load_track(track), ground_truth(file)
    if truth.track_sha256 != chosen.sha256:
        raise ProtocolError(
            f"{file} is of {truth.track} with another hash than {chosen.name} has here; give its --track."
        )
    by_split = {s: scores_of(chosen, s, data.load(chosen, s)) for s in truth.splits} if scores else None
    document = {
        "track": chosen.name,
        "version": chosen.version,
        "track_sha256": chosen.sha256,
        "table": truth.table,
        "file_sha256": sha256(file.read_bytes()),
        "command": f"lnbench truth build --table {truth.table} --splits {truth.splits[0]}-{truth.splits[-1]}",
        "splits": truth.splits,
        "networks": len(truth.rows),
    }
    if truth.table == "n":
        budgets, curve = analysis.random_curve(truth)
        document |= {"budgets": budgets, "accuracies": curve.round(6).tolist()}
    else:
        document["findings"] = analysis.summary(truth, by_split)
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False)
    click.echo(text)
    if out is not None:
        _output.write_file(out / f"{truth.table}.json" if out.is_dir() else out, f"{text}\n".encode())


def _range(text: str) -> list[int]:
    """The splits of `7` or `0-47`."""
    match = re.fullmatch(r"(\d{1,4})(?:-(\d{1,4}))?", text)
    if match is None or int(match[2] or match[1]) < int(match[1]):
        raise click.UsageError(f"--splits: expected a number like 7 or a range like 0-47, got {text!r}.")
    return list(range(int(match[1]), int(match[2] or match[1]) + 1))
