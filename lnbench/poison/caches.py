"""What one guest leaves for the next in the kernel's caches of files and names, and how to throw it out.

All guests see the same libraries. A page that one of them read and a name that one of them looked up, even of a file
that does not exist, stay in the kernel's caches, and the next guest can tell: by a clock, and by the count of its own
page faults. Measured inside the sandbox, of 1,500 bits the next guest read 1,459 by names and 1,337 by pages; once the
caches were emptied, 739 and 751, as by tossing coins. No filter of system calls stops that, and evicting pages alone
leaves the names. Only root can have the kernel forget both.
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

    Nothing is lost: what is read next comes from the disk. Asked twice, because a page that a processor has just read
    waits in a batch of its own, is in use so long, and stays the first time.
    """
    if can_be_emptied():
        for _ in range(2):
            _DROP.write_text("3")
