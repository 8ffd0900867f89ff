"""The three descriptors that every process is given, and that a few start without."""

from __future__ import annotations

import os
import sys


def open_missing() -> None:
    """Open /dev/null as standard input, output or error where this process has none.

    Otherwise the next file or pipe would get the number, and be taken for it: by this process's own messages, and by
    every process that it starts.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            stream = open(number, "r" if number == 0 else "w", encoding="utf-8", errors="replace", closefd=False)
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
