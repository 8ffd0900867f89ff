"""What a victim's bits depend on besides the protocol: our sources, the libraries, the machine's arithmetic."""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import platform
import sys
from pathlib import Path
from typing import Any

from lnbench.errors import UnavailableError
from lnbench.protocol.hashes import sha256, sha256_json

_MEASURING = ("protocol", "data", "victims", "adversary", "kernels", "cells.py")
_VECTOR = ("avx", "amx", "fma", "sse4", "sve", "asimd", "bf16")
_POISONING = ("protocol", "victims", "adversary", "kernels", "graphs.py", "surrogates.py", "toys.py")


def environment(device: str = "cpu") -> dict[str, Any]:
    """`{"id": …, "parts": …}`: bits compare only between equal ids. PyTorch is imported for a GPU only.

    Raises:
        UnavailableError: if the device is not there.
    """
    parts: dict[str, Any] = {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "libraries": {name: importlib.metadata.version(name) for name in ("numpy", "torch")},
        "system": f"{platform.system()} {platform.machine()}",
        "device": device,
        "precision": "float32",
    }
    parts.update(_cuda() if device == "cuda" else _cpu())
    return {"id": sha256_json(parts), "parts": parts}


def code_sha256() -> str:
    """Hash of the code that makes a cell's result; comments and docstrings do not count."""
    return _hash_of_sources(_MEASURING)


def guest_code_sha256() -> str:
    """Hash of the lnbench code that a poisoner may call, and that its labels may therefore depend on."""
    return _hash_of_sources(_POISONING)


@functools.cache
def _hash_of_sources(names: tuple[str, ...]) -> str:
    root = Path(__file__).parent
    files = [
        p for name in names for p in ([root / name] if name.endswith(".py") else sorted((root / name).rglob("*.py")))
    ]
    return sha256_json([[str(p.relative_to(root)), _code(p)] for p in files if p.exists()])


def _code(path: Path) -> str:
    """Hash of a module's syntax tree without docstrings."""
    tree = ast.parse(path.read_bytes())
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
