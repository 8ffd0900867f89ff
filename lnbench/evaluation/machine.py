"""What an evaluation may use of this machine: processors, a device, a sandbox."""

from __future__ import annotations

import os

from lnbench.errors import ProtocolError, UnavailableError
from lnbench.poison import diagnosis
from lnbench.poison import sandbox as sandboxes


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers(wanted: int | None, device: str) -> int:
    """Processes at once: as many as wanted, else one per core, or one for a GPU."""
    return wanted or (cores() if device == "cpu" else 1)


def resolved_device(device: str) -> str:
    """`cpu` or `cuda`; `auto` takes a GPU that PyTorch can use.

    Raises:
        ProtocolError: if it is none of the three.
    """
    if device in ("cpu", "cuda"):
        return device
    if device != "auto":
        raise ProtocolError(f"the device is cpu, cuda or auto; got {device!r}.")
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def resolved_sandbox(wish: str) -> str:
    """The sandbox mode that will be used: `bubblewrap`, `landlock` or `none`.

    Args:
        wish: `auto` for the best that this machine has, or `none`.

    Raises:
        ProtocolError: if the wish is neither.
        UnavailableError: under CI without a sandbox: what runs there is a stranger's.
    """
    if wish == "none":
        return sandboxes.NONE
    if wish != "auto":
        raise ProtocolError(f"the sandbox is auto, the best that this machine has, or none; got {wish!r}.")
    mode = diagnosis.mode()
    if mode == sandboxes.NONE and os.environ.get("CI"):
        raise UnavailableError(
            f"no sandbox works here, and CI runs no submission without one. {' '.join(diagnosis.diagnose().remedies)}"
        )
    return mode


def warning(file: str, wish: str) -> str | None:
    """What to say aloud before a submission runs without a sandbox; None if it will have one.

    Args:
        file: the submission's file.
        wish: as for `resolved_sandbox`, which see for what is raised.
    """
    if resolved_sandbox(wish) != sandboxes.NONE:
        return None
    reason = "" if wish == "none" else f" {diagnosis.diagnose().reason} `lnbench doctor` says how to get one."
    return (
        f"NO SANDBOX. {file} runs as a plain process with all your rights and sees all your files; the record will not "
        f"be ranked.{reason}"
    )
