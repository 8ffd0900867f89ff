"""What a victim's bits depend on besides the protocol: our sources, the libraries, the machine's arithmetic."""

from __future__ import annotations

import ast
import copy
import functools
import importlib.metadata
import platform
import sys
from pathlib import Path
from typing import Any

from lnbench.errors import UnavailableError
from lnbench.protocol.hashes import sha256, sha256_json
from lnbench.protocol.track import Track

_ROOT = Path(__file__).parent
_VECTOR = ("avx", "amx", "fma", "sse4", "sve", "asimd", "bf16")
_FOR_POISONERS = (
    "protocol",
    "victims",
    "adversary",
    "kernels",
    "graphs.py",
    "surrogates.py",
    "metagradients.py",
    "toys.py",
)


def environment(device: str = "cpu", track: Track | None = None) -> dict[str, Any]:
    """`{"id": …, "parts": …}`: bits compare only between equal ids. PyTorch is imported for a GPU only.

    Args:
        track: whose victims it is for: timm's version counts where one of them is timm's.

    Raises:
        UnavailableError: if the device is not there.
    """
    timm = track is not None and any(v.architecture == "timm" for v in track.victims)
    parts: dict[str, Any] = {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "libraries": {name: importlib.metadata.version(name) for name in ("numpy", "torch", *["timm"] * timm)},
        "system": f"{platform.system()} {platform.machine()}",
        "device": device,
        "precision": "float32",
    }
    parts.update(_cuda() if device == "cuda" else _cpu())
    return {"id": sha256_json(parts), "parts": parts}


def code_sha256(track: Track) -> str:
    """Hash of the sources that a cell of this track can reach; comments and docstrings do not count.

    Imports are followed from `cells`, the track's data source and its architectures, through re-exports to the module
    that defines a name, so that a new attack, source or architecture leaves the results of other tracks in the store.
    """
    roots = ["lnbench.cells", f"lnbench.data.{track.data.source}"]
    return _hash_of_sources(
        (*roots, *sorted({f"lnbench.victims.architectures.{v.architecture}" for v in track.victims}))
    )


def guest_code_sha256() -> str:
    """Hash of the lnbench code that a poisoner may call, and that its labels may therefore depend on."""
    files = [
        p for name in _FOR_POISONERS for p in ([_ROOT / name] if name.endswith(".py") else (_ROOT / name).rglob("*.py"))
    ]
    return _hash_of_sources(tuple(".".join(("lnbench", *p.relative_to(_ROOT).with_suffix("").parts)) for p in files))


def sources_sha256(modules: tuple[str, ...]) -> str:
    """Hash of the sources that some modules of lnbench, named in full, can reach."""
    return _hash_of_sources(modules)


@functools.cache
def _hash_of_sources(roots: tuple[str, ...]) -> str:
    """Hash of these modules and of all of lnbench that they import, directly or not."""
    todo, seen = list(roots), set()
    while todo:
        if (module := todo.pop()) not in seen and _source(module) is not None:
            seen.add(module)
            todo += _imported(module)
    return sha256_json([[module, _code(module)] for module in sorted(seen)])


def _source(module: str) -> Path | None:
    """The file of a module of lnbench, or None."""
    path = _ROOT.joinpath(*module.split(".")[1:])
    found = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return found if module.startswith("lnbench.") and found.exists() else None


@functools.cache
def _tree(module: str) -> ast.Module:
    path = _source(module)
    return ast.parse(path.read_bytes() if path else b"")


def _imported(module: str) -> list[str]:
    """Modules of lnbench that a module imports anywhere in it."""
    found = []
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [_home(node.module, alias.name) for alias in node.names]
    return found


def _home(module: str, name: str) -> str:
    """The module that defines what `from module import name` gives."""
    for node in _tree(module).body:
        if isinstance(node, ast.ImportFrom) and node.module and any((a.asname or a.name) == name for a in node.names):
            return _home(node.module, name) if node.module.startswith("lnbench.") else module
    return f"{module}.{name}" if _source(f"{module}.{name}") else module


def _code(module: str) -> str:
    """Hash of a module's syntax tree without docstrings."""
    tree = copy.deepcopy(_tree(module))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return sha256(ast.dump(tree).encode())


def _cpu() -> dict[str, Any]:
    """The processor's name and vector instructions: both steer which kernels the libraries choose."""
    name, flags = platform.processor(), set()
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            key, _, value = (part.strip() for part in line.partition(":"))
            if key == "model name":
                name = value
            elif key in ("flags", "Features"):
                flags = {f for f in value.split() if f.startswith(_VECTOR)}
                break
    return {"cpu": name, "instructions": sorted(flags)}


def _cuda() -> dict[str, Any]:
    import torch

    if not torch.cuda.is_available():
        raise UnavailableError("this machine has no CUDA device that PyTorch can use; run with --device cpu.")
    driver = Path("/proc/driver/nvidia/version")
    return {
        "gpu": torch.cuda.get_device_name(),
        "capability": list(torch.cuda.get_device_capability()),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": driver.read_text().split("\n")[0].split("  ")[1].strip() if driver.exists() else None,
    }
