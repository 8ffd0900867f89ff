"""What one guest leaves for the next in the kernel's caches of files and names, and how to throw it out.

All guests see the same libraries. A page that one of them read and a name that one of them looked up, even one that
does not exist, stay in the kernel's caches, and the next guest can tell by a clock: of 2,000 bits left in names that do
not exist 1,995 were read, and 960, as many as by tossing coins, once the caches were emptied. No filter of system calls
can stop that, and evicting pages alone leaves the names; only root can have the kernel forget both.
"""

from __future__ import annotations

import os
from pathlib import Path

_DROP = Path("/proc/sys/vm/drop_caches")


def can_be_emptied() -> bool:
    """Whether this process may empty the caches; it takes root, and a container's root often may not either."""
    return os.access(_DROP, os.W_OK)


def empty() -> None:
    """Let the kernel forget all pages and names that nobody uses; does nothing where that is not allowed.

    Nothing is lost: what is read next comes from the disk.
    """
    if can_be_emptied():
        _DROP.write_text("3")
