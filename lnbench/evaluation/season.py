"""When an evaluation may draw its splits and seeds by the secret salt of an open season."""

from __future__ import annotations

from pathlib import Path

from lnbench.errors import ProtocolError, UnavailableError
from lnbench.poison import caches, diagnosis
from lnbench.poison import sandbox as sandboxes
from lnbench.record import seasons


def season_salt(name: str | None, salt_file: Path | None, board: Path, sandbox: str = "auto") -> str | None:
    """The salt of the open season that is asked for, None if none is.

    Args:
        name: the season's name.
        salt_file: the file that `lnbench season open` wrote.
        board: the folder with `seasons.toml`, which has the season's commitment.
        sandbox: `auto` or `none`, what the submission would run in.

    Raises:
        ProtocolError: if name and salt do not belong together, or come alone; if the season is closed.
        UnavailableError: without bubblewrap: a salt that is secret is not brought near a submission that could read it.
    """
    if name is None and salt_file is None:
        return None
    if name is None or salt_file is None:
        raise ProtocolError(
            "--season NAME and --salt-file FILE go together: the season's salt is secret while it is open."
        )
    season = seasons.opened(seasons.read(board / "seasons.toml"), name)
    salt = seasons.read_salt(salt_file)
    seasons.check_salt(season, salt)
    if sandbox != "auto" or diagnosis.mode() != sandboxes.BUBBLEWRAP:
        raise UnavailableError(
            "a season's salt is secret, and only bubblewrap keeps a submission from it; see `lnbench doctor`."
        )
    return salt


def caution() -> str:
    """What whoever evaluates with a secret salt should know of this machine, in a sentence; empty if nothing."""
    if caches.can_be_emptied():
        return ""
    return (
        "only root can empty the kernel's caches between splits; a submission can leave a note of one split in them "
        "for the next. SECURITY.md says how much that matters."
    )
