"""`lnbench cache`: the results and downloads that lnbench stores."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from lnbench.cli import _groups, _result


@click.group("cache", cls=_groups.Group, default="size")
def command() -> None:
    """Where results and data are stored, how large they are, and how to clear them.

    LNBENCH_CACHE moves the folder. Results are only ever a saving: whatever is cleared is computed again.
    """


@command.command("path")
@_result.json_option
def path(as_json: bool) -> None:
    """Print the folder of the results."""
    from lnbench.evaluation.store import Store

    result, root = _result.Result(as_json), Store().root
    result.say(str(root))
    result.give({"results": str(root)})


@command.command("size")
@_result.json_option
def size(as_json: bool) -> None:
    """Print how much is stored."""
    from lnbench.data import folders
    from lnbench.evaluation.store import Store

    result, root, downloads = _result.Result(as_json), Store().root, folders.downloads()
    (entries, used), data = Store().size(), _tree(downloads)
    result.say(f"results: {entries} in {_bytes(used)}, {root}")
    result.say(f"data: {_bytes(data)}, {downloads}")
    result.give(
        {
            "results": {"folder": str(root), "entries": entries, "bytes": used},
            "data": {"folder": str(downloads), "bytes": data},
        }
    )


@command.command("clear")
@click.option("--data", "with_data", is_flag=True, help="Downloaded data too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_result.json_option
def clear(with_data: bool, yes: bool, as_json: bool) -> None:
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
    result = _result.Result(as_json)
    result.say(f"removed {what}")
    removed = [store.root, downloads] if with_data else [store.root]
    result.give({"removed": [str(folder) for folder in removed], "entries": entries})


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
