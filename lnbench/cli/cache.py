"""`lnbench cache`: the results and downloads that lnbench stores."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.group("cache")
def command() -> None:
    """Where results and data are stored, how large they are, and how to clear them.

    LNBENCH_CACHE moves the folder. Results are only ever a saving: whatever is cleared is computed again.
    """


@command.command("path")
def path() -> None:
    """Print the folder of the results."""
    from lnbench.evaluation.store import Store

    click.echo(Store().root)


@command.command("size")
def size() -> None:
    """Print how much is stored."""
    from lnbench.data import folders
    from lnbench.evaluation.store import Store

    entries, used = Store().size()
    click.echo(f"results: {entries} in {_bytes(used)}, {Store().root}")
    click.echo(f"data: {_bytes(_tree(folders.downloads()))}, {folders.downloads()}")


@command.command("clear")
@click.option("--data", "with_data", is_flag=True, help="Downloaded data too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def clear(with_data: bool, yes: bool) -> None:
    """Remove all results; with --data the downloads as well."""
    from lnbench.data import folders
    from lnbench.evaluation.store import Store
    from lnbench.files import clear_folder

    store, downloads = Store(), folders.downloads()
    entries, used = store.size()
    what = f"{entries} results ({_bytes(used)}) in {store.root}"
    if with_data:
        what += f" and the data ({_bytes(_tree(downloads))}) in {downloads}"
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError(f"nobody is there to be asked whether to remove {what}; add --yes.")
        click.confirm(f"Remove {what}?", abort=True, err=True)
    store.clear()
    if with_data and downloads.exists():
        clear_folder(downloads)
    click.echo(f"removed {what}")


def _tree(folder: Path) -> int:
    """Bytes of the files below a folder."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) if folder.exists() else 0


def _bytes(n: float) -> str:
    """
    >>> _bytes(0), _bytes(1234), _bytes(54_950_048)
    ('0 B', '1.2 kB', '55.0 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000 or unit == "GB":
            break
        n /= 1000
    return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
