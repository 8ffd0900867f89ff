"""`lnbench doctor`: what works here, what does not, and what would help."""

from __future__ import annotations

import platform
import tempfile
from importlib import metadata

import click

from lnbench import __version__

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "torchvision", "timm")


@click.command("doctor")
def command() -> None:
    """Say what this machine can evaluate and what it lacks.

    Exit code 3 if the default track cannot be evaluated here.
    """
    from lnbench.evaluation import machine
    from lnbench.protocol import track as tracks

    click.echo(f"lnbench   {__version__}, Python {platform.python_version()}, {platform.system()} {platform.machine()}")
    click.echo(f"libraries {', '.join(_version(name) for name in _LIBRARIES)}")
    click.echo(f"cores     {machine.cores()}")
    click.echo(f"GPU       {_gpu()}")
    ready = [_cache(), _sandbox()]
    of_track, seen = {}, dict[object, tuple[bool, str]]()
    for name in tracks.names():
        spec = tracks.load(name).data
        same = spec.source, spec.parquet  # many tracks draw from one source, which is looked at once
        of_track[name] = seen[same] = seen.get(same) or _data(name)
    for name, (_, words) in of_track.items():
        click.echo(f"track     {name}: {words}")
    if all(ready) and of_track[tracks.DEFAULT][0]:
        click.echo(f"ready: `lnbench evaluate FILE` works here on {tracks.DEFAULT}.")
    else:
        click.echo(f"not ready: `lnbench evaluate FILE` cannot run here on {tracks.DEFAULT}; see above.")
        raise click.exceptions.Exit(3)


def _version(library: str) -> str:
    try:
        return f"{library} {metadata.version(library)}"
    except metadata.PackageNotFoundError:
        return f"{library} MISSING"


def _gpu() -> str:
    try:
        import torch
    except ImportError as error:
        return f"unknown, torch cannot be imported: {error}"
    if not torch.cuda.is_available():
        return "none that PyTorch can use; --device cpu is the default"
    return f"{torch.cuda.get_device_name()}, {torch.cuda.get_device_properties(0).total_memory / 2**30:.0f} GiB"


def _cache() -> bool:
    from lnbench.errors import UnavailableError
    from lnbench.evaluation.store import Store

    try:
        root = Store().root
    except UnavailableError as error:
        click.echo(f"cache     {error}")
        return False
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        click.echo(f"cache     {root} cannot be written ({error.strerror}); set LNBENCH_CACHE to a folder that can.")
        return False
    click.echo(f"cache     {root}, writable")
    return True


def _sandbox() -> bool:
    """Whether there is a sandbox for a submission to run in."""
    from lnbench.errors import UnavailableError
    from lnbench.poison import diagnosis, sandbox

    try:
        result = diagnosis.diagnose()
    except UnavailableError as error:
        click.echo(f"sandbox   unknown: {error}")
        return False
    click.echo(f"sandbox   {result.mode}: {result.reason}")
    if result.mode == sandbox.NONE:
        click.echo("          only --unsafe-no-sandbox runs a file, with all your rights, and its record is not ranked")
    else:
        click.echo(f"memory    {_memory()}")
    for remedy in result.remedies:
        click.echo(f"          - {remedy}")
    return result.mode != sandbox.NONE


def _memory() -> str:
    """What bounds the memory of all of a guest's processes together."""
    from lnbench.poison import memory

    group = memory.Group.make(1 << 30, 8)
    if group is None:
        return "no cgroup for a guest here: its processes' memory is added up from outside every 0.2 s (SECURITY.md)"
    group.remove()
    return "a cgroup for each guest caps all of its processes together"


def _data(name: str) -> tuple[bool, str]:
    """Whether a track's data can be had here, and a sentence on it."""
    from lnbench import data
    from lnbench.data import folders
    from lnbench.errors import DataError, UnavailableError
    from lnbench.protocol import track as tracks

    track = tracks.load(name)
    source = data.source(track)
    try:
        if hasattr(source, "local_folder") and source.local_folder(track.data) is None:
            where = " nor ".join(map(str, folders.places()))
            if track.data.parquet is not None and track.data.parquet.hub is None:
                return False, f"its data is not in {where}, and its track names no place to get it; set LNBENCH_DATA"
            if folders.offline():
                return False, f"its data is not in {where}, and downloads are forbidden; set LNBENCH_DATA"
            return True, f"its data is not in {where}; it would be downloaded on first use"
        if hasattr(source, "in_cache") and not source.in_cache(track.data):
            return True, "its files are here; they are decoded and checked on first use"
        data.load(track, 0)
    except (DataError, UnavailableError) as error:
        return False, str(error)
    return True, "its data is here and unaltered"
