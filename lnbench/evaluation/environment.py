"""What a victim's bits depend on besides the protocol: our sources, the libraries, the machine's arithmetic."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from pathlib import Path
from typing import Any

from lnbench.errors import UnavailableError
from lnbench.protocol.exactness import is_exact
from lnbench.protocol.hashes import sha256_json
from lnbench.protocol.track import Track

NO_GPU = "this machine has no CUDA device that PyTorch can use; run with --device cpu."
_VECTOR = ("avx", "amx", "fma", "sse4", "sve", "asimd", "bf16")


def environment(device: str = "cpu", track: Track | None = None) -> dict[str, Any]:
    """`{"id": …, "parts": …}`: bits compare only between equal ids. PyTorch is imported for a GPU only.

    Args:
        track: whose victims it is for: timm's version counts where one of them is timm's, SciPy's where the adversary
            is exact, scikit-learn's where it grows trees.

    Raises:
        UnavailableError: if the device is not there.
    """
    kinds = set() if track is None else {victim.architecture for victim in track.victims}
    solver = track is not None and is_exact(track)
    others = ["timm"] * ("timm" in kinds) + ["scipy"] * solver + ["scikit-learn"] * ("trees" in kinds)
    parts: dict[str, Any] = {
        "python": ".".join(platform.python_version_tuple()[:2]),
        "libraries": {name: importlib.metadata.version(name) for name in ("numpy", "torch", *others)},
        "system": f"{platform.system()} {platform.machine()}",
        "device": device,
        "precision": "float32",
    }
    parts.update(_cuda() if device == "cuda" else _cpu())
    return {"id": sha256_json(parts), "parts": parts}


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
        raise UnavailableError(NO_GPU)
    driver = Path("/proc/driver/nvidia/version")
    return {
        "gpu": torch.cuda.get_device_name(),
        "capability": list(torch.cuda.get_device_capability()),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "driver": driver.read_text().split("\n")[0].split("  ")[1].strip() if driver.exists() else None,
    }
