"""`lnbench new`: a poisoner's file to start from."""

from __future__ import annotations

from pathlib import Path

import click

from lnbench.cli import _options


@click.command("new")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Where the file is written. [default: submissions, of a defence defences, or else this one]",
)
@click.option(
    "--author", default=None, callback=_options.text, help="Who is shown beside the row. [default: git's user.name]"
)
@click.option("--defender", is_flag=True, help="A defence in place of a poisoner.")
def command(name: str, folder: Path | None, author: str | None, defender: bool) -> None:
    """Write a poisoner's or defender's file to start from.

    NAME becomes the row's name. The file runs as it is, with random flips, and says in comments what goes where;
    submissions/my_poisoner.py is a worked example, and so is every file in defences of a defender.
    """
    from lnbench.contribute import author as authors
    from lnbench.contribute import template

    if folder is None:
        home = Path("defences" if defender else "submissions")
        folder = home if home.is_dir() else Path()
    if author is None:
        author = authors.of_git()
    path = template.write(name, folder, author or "", defender=defender)
    if author is None:
        click.echo("note: git's user.name is not UTF-8; write your name into the file, as `author`.", err=True)
    if defender:
        click.echo(
            f"wrote {path}; now try\n  lnbench check {path}\n  lnbench defend {path} --against my_poisoner --quick"
        )
        return
    click.echo(
        f"wrote {path}; now try\n  lnbench check {path}\n  lnbench evaluate {path} --quick\n  lnbench submit {path}"
    )
