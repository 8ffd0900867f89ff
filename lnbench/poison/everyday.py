"""What makes everyday code run inside the sandbox: in the guest's process, and in every process that it starts."""

from __future__ import annotations

import warnings

FILE = "LNBENCH_GUEST_FILE"
"""The variable that tells `lnbench.poison.loaded`, in any process of the guest's, where the submission is."""


def ease() -> None:
    """Leave out PyTorch's warning that an array of the problem is not writable: its pages are the guest's own."""
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
