"""What can be fuzzed: how to read some bytes, where to start from, and what a reader may raise."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hypothesis import strategies as st

from lnbench.errors import LnbenchError

FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-"))
"""For readers that take a path; the campaign puts it on a disk in memory."""


@atexit.register
def _clean(owner: int = os.getpid()) -> None:
    """Remove it when its process ends, and not when a child that was forked from it does."""
    if os.getpid() == owner:
        shutil.rmtree(FOLDER, ignore_errors=True)


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        read: reads some bytes.
        seeds: inputs that are right.
        almost: inputs that are right up to a few places.
        allowed: what it may raise.
        longest: bytes of the longest input worth trying.
    """

    read: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    almost: st.SearchStrategy[bytes]
    allowed: tuple[type[Exception], ...] = (LnbenchError,)
    longest: int = 4096
