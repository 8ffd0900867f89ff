"""`lnbench new`: a poisoner's file to start from."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click


@click.command("new")
@click.argument("name")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Where the file is written. [default: submissions if there is such a folder, else this one]",
)
@click.option("--author", default=None, help="Who is shown beside the row. [default: git's user.name]")
def command(name: str, folder: Path | None, author: str | None) -> None:
    """Write a poisoner's file to start from.

    NAME becomes the row's name. The file runs as it is, with random flips, and says in comments what goes where;
    submissions/my_poisoner.py is a worked example.
    """
    from lnbench.contribute import template

    if folder is None:
        folder = Path("submissions") if Path("submissions").is_dir() else Path()
    path = template.write(name, folder, _git_name() if author is None else author)
    click.echo(
        f"wrote {path}; now try\n  lnbench check {path}\n  lnbench evaluate {path} --quick\n  lnbench submit {path}"
    )


def _git_name() -> str:
    """The name git signs commits with, or nothing."""
    if shutil.which("git") is None:
        return ""
    return subprocess.run(["git", "config", "user.name"], capture_output=True, text=True).stdout.strip()
