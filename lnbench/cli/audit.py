"""`lnbench audit`: does a record's score survive the strong adversary?"""

from __future__ import annotations

from pathlib import Path

import click

from lnbench.cli import _options, _other_kinds, _output, _progress, _result


@click.command("audit")
@click.argument("record", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@_options.training
@click.option("--salt", default=None, help="The salt, for records whose salt is neither public nor revealed.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE|DIR",
    help="Where the audit is written: a file, or a folder for NAME.audit.json. [default: beside the record]",
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
    from lnbench.record.folder import audit_beside

    read, path = read_record(record), audit_beside(record)
    if out is not None:
        path = out / path.name if out.is_dir() else out
    _output.writable(path.parent)
    with _progress.reporter() as report:
        document = audit(read, device=device, workers=workers, salt=salt, board=board, on_progress=report)
    if as_json:
        click.echo(canonical_json(document), nl=False)
    _other_kinds.print_audit(document, _result.Result(as_json))
    _output.write_file(path, canonical_json(document))
    click.echo(f"audit: {path}", err=True)
    if not document["survives"]:
        raise click.exceptions.Exit(1)
