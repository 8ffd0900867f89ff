"""`lnbench reproduce`: the thesis's experiments, measured again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lnbench.cli import _complete, _options, _output, _result
from lnbench.text import marked


@click.command("reproduce")
@click.argument("names", metavar="NAME...", nargs=-1, shell_complete=_complete.experiments)
@click.option("--quick", "level", flag_value="quick", default=True, help="Small sizes: direction only. [default]")
@click.option("--full", "level", flag_value="full", help="At least 20 seeds a point, or the sizes of the thesis.")
@click.option("--list", "listed", is_flag=True, help="List the experiments.")
@click.option("--all", "everything", is_flag=True, help="Run all of them, one after the other.")
@click.option(
    "--redraw", is_flag=True, help="Measure nothing: check the claims and draw the figures in the folder again."
)
@click.option("--check", is_flag=True, help="Compare the folder's verdicts, figures and page with its numbers.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("thesis"),
    show_default=True,
    help="Folder of the JSON files, the figures and the page.",
)
@click.option(
    "--extend", is_flag=True, help="Keep the replicates in the folder's JSON file, from wherever, and measure the rest."
)
@_options.workers_option
@_result.json_option
def command(
    names: tuple[str, ...],
    level: str,
    listed: bool,
    everything: bool,
    redraw: bool,
    check: bool,
    out: Path,
    extend: bool,
    workers: int | None,
    as_json: bool,
) -> None:
    """Run experiments of the thesis again, draw them and check its claims.

    Every claim ends as `agrees`, `disagrees` or `undecided`, by the 95 % interval of what was measured, or as `void` if
    the networks did not memorise the flips. An interrupted run resumes. `NAME.json` in the folder holds every number.

    \b
      lnbench reproduce --list
      lnbench reproduce theorem1 --quick
    """
    from lnbench.thesis import experiments

    if sum([listed, everything, redraw, check, bool(names)]) != 1:
        raise click.UsageError("give experiments' names, or one of --list, --all, --redraw, --check.")
    if extend and not names:
        raise click.UsageError("--extend needs experiments' names.")
    result = _result.Result(as_json)
    if listed:
        every = {name: experiments.about(name) for name in experiments.names()}
        for name, about in every.items():
            result.say(f"{name:<12} {about['THESIS']:<24} {about['TITLE']}")
        result.give(
            [{"name": name, "thesis": about["THESIS"], "title": about["TITLE"]} for name, about in every.items()]
        )
    elif redraw:
        _redraw(result, out)
    elif check:
        _check(result, out)
    else:
        _measure(result, names or tuple(experiments.names()), level, out, workers, everything, extend)


def _redraw(result: _result.Result, out: Path) -> None:
    from lnbench.thesis import drawing, run

    drawing.require()
    written = list(run.redraw(_options.existing(out, "--out")))
    for path in written:
        result.say(f"written: {path}")
    result.give({"written": [str(path) for path in written]})


def _check(result: _result.Result, out: Path) -> None:
    from lnbench.thesis import run

    wrong = run.drifted(_options.existing(out, "--out"))
    for path in wrong:
        result.say(f"differs: {path}")
    result.give({"differs": [str(path) for path in wrong]})
    if wrong:
        click.echo(f"error: {out} is not what its numbers say; run `lnbench reproduce --redraw --out {out}`.", err=True)
        raise click.exceptions.Exit(1)
    result.say(f"{out} is what its numbers say.")


def _measure(
    result: _result.Result,
    names: tuple[str, ...],
    level: str,
    out: Path,
    workers: int | None,
    keep_going: bool,
    extend: bool,
) -> None:
    from lnbench.cli import _progress
    from lnbench.errors import LnbenchError
    from lnbench.thesis import drawing, experiments, run

    drawing.require()
    for name in names:
        experiments.load(name)
        if extend:
            run.read(name, out)
    _output.writable(out)
    code, made = 0, []
    for name in names:
        try:
            with _progress.reporter() as notify:
                document = run.measure(name, level, workers, notify, folder=out if extend else None)
            paths = run.write(document, out)
        except LnbenchError as error:
            if not keep_going:
                raise
            click.echo(f"error: {name}: {marked(str(error))}", err=True)
            code = error.exit_code
            continue
        made.append(document)
        _tell(result, document, paths)
    result.give(made)
    if code:
        raise click.exceptions.Exit(code)


def _tell(result: _result.Result, document: dict[str, Any], paths: list[Path]) -> None:
    """What came of an experiment, for a person."""
    from lnbench.thesis.experiment import LEVELS

    level = document["level"]
    result.say(f"\n{document['experiment']}: {document['title']} (thesis {document['thesis']})")
    result.say(f"level {level}: {LEVELS[level]}")
    for choice in document["choices"]:
        result.say(f"  · {choice}")
    for verdict in document["verdicts"]:
        result.say(f"{verdict['verdict'].upper():<10} {verdict['claim']}\n           {verdict['evidence']}")
    click.echo(f"written: {', '.join(str(path) for path in paths)}", err=True)
