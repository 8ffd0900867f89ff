"""`lnbench audit`: does a record's score survive the strong adversary?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lnbench.cli import _options, _output, _progress, _result
from lnbench.text import marked


@click.command("audit")
@click.argument("record", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_options.training
@click.option("--salt", default=None, help="The salt, for records whose salt is neither public nor revealed.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    metavar="FILE",
    help="Where the audit is written. [default: beside the record, as NAME.audit.json]",
)
@_options.board_option
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
    _print(_result.Result(as_json), document, board)
    _output.write_file(path, canonical_json(document))
    click.echo(f"audit: {path}", err=True)
    if not document["survives"]:
        raise click.exceptions.Exit(1)


def _print(result: _result.Result, document: dict[str, Any], board: Path) -> None:
    """What came of an audit, for a person."""
    for arm, values in document["arms"].items():
        result.say(
            f"{arm:<9} AA {100 * values['adv_acc']:.1f} % (record: {100 * values['plain_adv_acc']:.1f} %), untargeted "
            f"{100 * values['untargeted_adv_acc']:.1f} % (record: {100 * values['plain_untargeted_adv_acc']:.1f} %)"
            + (
                f", at the damage radius {100 * values['damage_adv_acc']:.1f} % "
                f"(record: {100 * values['plain_damage_adv_acc']:.1f} %)"
                if "damage_adv_acc" in values
                else ""
            )
        )
    same, total = document["reproduced"]
    result.say(f"{same} of {total} victims gave the record's bits again under the record's own attack.")
    for sentence in document["verdict"]:
        result.say(marked(sentence, lines=1))
    if document["standing"] is None:
        result.say(f"Its rank was not looked at: there is no board in {board}.")
    for flag in document["flags"]:
        result.say(f"doubt: {flag}")
