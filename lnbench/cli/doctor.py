"""`lnbench doctor`: what works here, what does not, and what would help."""

from __future__ import annotations

import platform
import tempfile
from importlib import metadata
from typing import Any

import click

from lnbench import __version__
from lnbench.cli import _result

_LIBRARIES = ("numpy", "scipy", "scikit-learn", "torch", "torchvision", "timm")


@click.command("doctor")
@_result.json_option
def command(as_json: bool) -> None:
    """Say what this machine can evaluate and what it lacks.

    Exit code 3 if the default track cannot be evaluated here.
    """
    from lnbench.evaluation import machine
    from lnbench.protocol import track as tracks

    result, system, gpu = _result.Result(as_json), f"{platform.system()} {platform.machine()}", _gpu()
    versions = {name: _version(name) for name in _LIBRARIES}
    result.say(f"lnbench   {__version__}, Python {platform.python_version()}, {system}")
    libraries = (f"{name} {version or 'MISSING'}" for name, version in versions.items())
    result.say(f"libraries {', '.join(libraries)}")
    result.say(f"cores     {machine.cores()}")
    result.say(f"GPU       {gpu}")
    cache, sandbox = _cache(result), _sandbox(result)
    of_track, seen = {}, dict[object, tuple[bool, str]]()
    for name in tracks.names():
        spec = tracks.load(name).data
        same = spec.source, spec.parquet  # many tracks draw from one source, which is looked at once
        of_track[name] = seen[same] = seen.get(same) or _data(name)
    for name, (_, words) in of_track.items():
        result.say(f"track     {name}: {words}")
    ready = cache["usable"] and sandbox["usable"] and of_track[tracks.DEFAULT][0]
    result.give(
        {
            "lnbench": __version__,
            "python": platform.python_version(),
            "system": system,
            "libraries": versions,
            "cores": machine.cores(),
            "gpu": gpu,
            "cache": cache,
            "sandbox": sandbox,
            "tracks": {name: {"usable": usable, "words": words} for name, (usable, words) in of_track.items()},
            "ready": ready,
        }
    )
    if ready:
        result.say(f"ready: `lnbench evaluate FILE` works here on {tracks.DEFAULT}.")
    else:
        result.say(f"not ready: `lnbench evaluate FILE` cannot run here on {tracks.DEFAULT}; see above.")
        raise click.exceptions.Exit(3)


def _version(library: str) -> str | None:
    """A library's version, or None where it is missing."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None


def _gpu() -> str:
    try:
        import torch
    except ImportError as error:
        return f"unknown, torch cannot be imported: {error}"
    if not torch.cuda.is_available():
        return "none that PyTorch can use; --device cpu is the default"
    return f"{torch.cuda.get_device_name()}, {torch.cuda.get_device_properties(0).total_memory / 2**30:.0f} GiB"


def _cache(result: _result.Result) -> dict[str, Any]:
    """Whether results can be stored, and a sentence on it."""
    usable, words = _writable()
    result.say(f"cache     {words}")
    return {"usable": usable, "words": words}


def _writable() -> tuple[bool, str]:
    from lnbench.errors import UnavailableError
    from lnbench.evaluation.store import Store

    try:
        root = Store().root
    except UnavailableError as error:
        return False, str(error)
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=root):
            pass
    except OSError as error:
        return False, f"{root} cannot be written ({error.strerror}); set LNBENCH_CACHE to a folder that can."
    return True, f"{root}, writable"


def _sandbox(result: _result.Result) -> dict[str, Any]:
    """Whether there is a sandbox for a submission to run in."""
    from lnbench.errors import UnavailableError
    from lnbench.poison import diagnosis, sandbox

    try:
        found = diagnosis.diagnose()
    except UnavailableError as error:
        result.say(f"sandbox   unknown: {error}")
        return {"usable": False, "mode": None, "words": str(error), "remedies": []}
    result.say(f"sandbox   {found.mode}: {found.reason}")
    if found.mode == sandbox.NONE:
        result.say("          only --unsafe-no-sandbox runs a file, with all your rights, and its record is not ranked")
    else:
        result.say(f"memory    {_memory()}")
    for remedy in found.remedies:
        result.say(f"          - {remedy}")
    usable = found.mode != sandbox.NONE
    return {"usable": usable, "mode": found.mode, "words": found.reason, "remedies": list(found.remedies)}


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
