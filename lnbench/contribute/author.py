"""Who writes a new submission, as far as this machine knows."""

from __future__ import annotations

import subprocess


def of_git() -> str | None:
    """The name that git signs commits with, empty if it has none; None if it is not UTF-8."""
    try:
        done = subprocess.run(["git", "config", "user.name"], stdin=subprocess.DEVNULL, capture_output=True)
        return done.stdout.decode().strip()
    except OSError:  # there is no git
        return ""
    except UnicodeDecodeError:
        return None
