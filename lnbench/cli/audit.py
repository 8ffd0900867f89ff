"""`lnbench audit`: does a record's score survive the strong adversary?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lnbench.cli import _output, _progress
from lnbench.text import marked


@click.command("audit")
@click.argument("record", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True, help="Where victims train."
)
@click.option("--workers", type=click.IntRange(1), default=None, help="Processes at a time. [default: one per core]")
@click.option("--salt", default=None, help="The salt, for records whose salt is neither public nor revealed.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    metavar="FILE",
    help="Where the audit is written. [default: beside the record, as NAME.audit.json]",
)
@click.option(
    "--board",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("leaderboard"),
    show_default=True,
    metavar="DIR",
    help="The board on whose rows the rank is checked, and whose seasons.toml has the salts of closed seasons.",
)
@click.option("--json", "as_json", is_flag=True, help="Print exactly the audit on stdout.")
def command(
    record: Path, device: str, workers: int | None, salt: str | None, out: Path | None, board: Path, as_json: bool
) -> None:
    """Attack a record's victims again with the strong adversary.

    They are trained again first, and all three arms are attacked.
    Targeted and untargeted, and at the damage radius: APGD with two losses and every target, random search without
    gradients, twice the steps.
    Then: does the row keep its rank on the board, and how easily would cleanlab find the flips?
    Exit code 1 if the record's conclusion does not survive.
    """
    from lnbench.api.records import audit, read_record
    from lnbench.protocol import canonical_json

    read, path = read_record(record), out or record.with_name(f"{record.stem}.audit.json")
    _output.writable(path.parent)
    with _progress.reporter() as report:
        document = audit(read, device=device, workers=workers, salt=salt, board=board, on_progress=report)
    if as_json:
        click.echo(canonical_json(document), nl=False)
    _print(document, board)
    _output.write_file(path, canonical_json(document))
    click.echo(f"audit: {path}", err=True)
    if not document["survives"]:
        raise click.exceptions.Exit(1)


def _print(document: dict[str, Any], board: Path) -> None:
    """What came of an audit, for a person."""
    for arm, values in document["arms"].items():
        click.echo(
            f"{arm:<9} AA {100 * values['adv_acc']:.1f} % (record: {100 * values['plain_adv_acc']:.1f} %), untargeted "
            f"{100 * values['untargeted_adv_acc']:.1f} % (record: {100 * values['plain_untargeted_adv_acc']:.1f} %)"
            + (
                f", at the damage radius {100 * values['damage_adv_acc']:.1f} % "
                f"(record: {100 * values['plain_damage_adv_acc']:.1f} %)"
                if "damage_adv_acc" in values
                else ""
            ),
            err=True,
        )
    same, total = document["reproduced"]
    click.echo(f"{same} of {total} victims gave the record's bits again under the record's own attack.", err=True)
    for sentence in document["verdict"]:
        click.echo(marked(sentence, lines=1), err=True)
    if document["standing"] is None:
        click.echo(f"Its rank was not looked at: there is no board in {board}.", err=True)
    for flag in document["flags"]:
        click.echo(f"doubt: {flag}", err=True)
