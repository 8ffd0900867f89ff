"""What makes everyday code run inside the sandbox: in the guest's process, and in every process that it starts."""

from __future__ import annotations

import errno
import functools
import os
import warnings
from typing import Any

FILE = "LNBENCH_GUEST_FILE"
"""The variable that tells `lnbench.poison.loaded`, in any process of the guest's, where the submission is."""

_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")


def ease() -> None:
    """Prepare this process.

    - A file's times cannot be set in the sandbox, where they could be a message to another guest. Setting them does
      nothing instead of failing, so that `shutil.copy2`, `Path.touch` and unpacking an archive do the rest.
    - Libraries that download are told that there is no network, and fail at once instead of trying for a minute.
    - PyTorch's warning that an array of the problem is not writable is left out: its pages are the guest's own.
    """
    os.environ.update(dict.fromkeys(_OFFLINE, "1"))
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    set_times = os.utime
    if hasattr(set_times, "__wrapped__"):
        return

    @functools.wraps(set_times)
    def utime(*args: Any, **kwargs: Any) -> None:
        try:
            set_times(*args, **kwargs)
        except PermissionError as error:
            if error.errno != errno.EPERM:
                raise

    for able in (os.supports_fd, os.supports_follow_symlinks):
        if set_times in able:
            able.add(utime)
    os.utime = utime
