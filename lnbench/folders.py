"""Which folders of this machine lnbench keeps things in and looks for data in, as the environment says."""

from __future__ import annotations

import os
from pathlib import Path

from lnbench.errors import UnavailableError


def cache() -> Path:
    """The folder of results and downloads: `LNBENCH_CACHE`, or lnbench's in the user's cache folder; absolute.

    Raises:
        UnavailableError: if the variable names the home of nobody, or it is not set and this user has no home.
    """
    if named := _named("LNBENCH_CACHE"):
        return named
    import platformdirs

    folder = Path(platformdirs.user_cache_dir("lnbench"))
    if not folder.is_absolute():  # `~` stays as it is for a user that no list of users knows
        raise UnavailableError("this user has no home folder to keep a cache in; set LNBENCH_CACHE to a folder.")
    return folder


def data() -> list[Path]:
    """Where data is looked for, in order: `LNBENCH_DATA` if it is set, then `data` in the cache.

    Raises:
        UnavailableError: as `cache`.
    """
    named = _named("LNBENCH_DATA")
    return [*([named] if named else []), cache() / "data"]


def _named(variable: str) -> Path | None:
    """The folder that an environment variable names, with `~` for a home; None if it names none."""
    value = os.environ.get(variable, "")
    if not value:
        return None
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError:
        raise UnavailableError(
            f"{variable} is {value[:200]!r}, and no home folder is known for what it begins with; write the folder out."
        ) from None
