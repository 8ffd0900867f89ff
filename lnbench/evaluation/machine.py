"""What an evaluation may use of this machine: processors, a device, a sandbox."""

from __future__ import annotations

import os

from lnbench.errors import ProtocolError, UnavailableError
from lnbench.evaluation.environment import NO_GPU
from lnbench.poison import diagnosis
from lnbench.poison import sandbox as sandboxes


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def workers(wanted: int | None, device: str) -> int:
    """Processes at once: as many as wanted, else one per core, or one for each GPU."""
    return wanted or (cores() if device == "cpu" else max(1, len(gpus())))


def gpus() -> list[str]:
    """The ids of the GPUs that processes here may use, as in `CUDA_VISIBLE_DEVICES`.

    Only those of the first one's model: bits compare only between GPUs of one model.
    """
    import torch

    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    listed = [word.strip() for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if word.strip()]
    ids = listed if len(listed) >= len(names) else [str(i) for i in range(len(names))]
    return [ids[i] for i, name in enumerate(names) if name == names[0]]


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


def checked_device(device: str) -> str:
    """As `resolved_device`, but a GPU has to be here.

    Raises:
        ProtocolError: if it is none of the three.
        UnavailableError: if it is `cuda`, and PyTorch cannot use one.
    """
    resolved = resolved_device(device)
    if resolved == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UnavailableError(NO_GPU)
    return resolved


def resolved_sandbox(wish: str) -> str:
    """The sandbox mode that will be used: `none` for that wish alone, never because the sandbox does not work.

    Args:
        wish: `auto`, or `none`.

    Raises:
        ProtocolError: if the wish is neither.
        UnavailableError: if no sandbox works here, with what would get one.
    """
    if wish == "none":
        return sandboxes.NONE
    if wish != "auto":
        raise ProtocolError(f"the sandbox is auto or none; got {wish!r}.")
    mode = diagnosis.mode()
    if mode == sandboxes.NONE:
        trouble = diagnosis.diagnose()
        advice = f" Try this: {'; '.join(trouble.remedies)}." if trouble.remedies else ""
        raise UnavailableError(
            f"a submission runs in a sandbox, and none works here: {trouble.reason}{advice} With --unsafe-no-sandbox "
            "your own file runs without one, with all your rights, and is not ranked."
        )
    return mode
