"""A stranger's file, written in a test."""

from __future__ import annotations

import textwrap
from typing import Any

from lnbench.poison.run import Submission


def submission(source: str, /, **parameters: Any) -> Submission:
    """The file `attack.py` that holds the dedented `source`, with its `parameters`."""
    return Submission.from_bytes("attack.py", textwrap.dedent(source).encode(), parameters)
