"""`lnbench audit`: does a record's score survive the strong adversary?"""

from __future__ import annotations

from pathlib import Path

import click

from lnbench.cli import _progress
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
    Targeted and untargeted: APGD with two losses and every target, random search without gradients, twice the steps.
    Then: does the row keep its rank on the board, and how easily would cleanlab find the flips?
    Exit code 1 if the record's conclusion does not survive.
    """
    from lnbench import record as records
    from lnbench.evaluation import conductor
    from lnbench.files import write_atomically
    from lnbench.protocol import canonical_json
    from lnbench.record import seasons
    from lnbench.record.folder import audit_beside
    from lnbench.trust import audit

    found = records.read(record)
    known = seasons.read(board / "seasons.toml")
    with _progress.reporter() as report:
        document = audit.audit(
            found,
            device=device,
            workers=workers or conductor.cores(),
            salt=salt or seasons.salt_of(known, found.season),
            board=board / "records" if (board / "records").is_dir() else None,
            on_progress=report,
        )
    path = out or audit_beside(record)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, canonical_json(document))
    if as_json:
        click.echo(canonical_json(document), nl=False)
    for arm, values in document["arms"].items():
        click.echo(
            f"{arm:<9} AA {100 * values['adv_acc']:.1f} % (record: {100 * values['plain_adv_acc']:.1f} %), untargeted "
            f"{100 * values['untargeted_adv_acc']:.1f} % (record: {100 * values['plain_untargeted_adv_acc']:.1f} %)",
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
    click.echo(f"audit: {path}", err=True)
    if not document["survives"]:
        raise click.exceptions.Exit(1)
