"""Where data is read from and results are stored: told by variables, or by the system's custom.

Every function reads the environment anew. `environment` hands what they say, resolved, to worker processes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from lnbench.errors import DataError, UnavailableError

_PATHS = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "XDG_CACHE_HOME")
"""Variables of other libraries that name a file or folder, beside those of huggingface_hub."""
_HUB_PATHS = ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ASSETS_CACHE", "HF_XET_CACHE", "HF_TOKEN_PATH")
_PREFIXES = ("LNBENCH_", "HF_", "HUGGINGFACE_", "HUGGING_FACE_", "TRANSFORMERS_OFFLINE")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def cache_folder() -> Path:
    """`$LNBENCH_CACHE`, or lnbench's folder in the user's cache, which `$XDG_CACHE_HOME` moves; absolute.

    Raises:
        UnavailableError: if there is neither this variable nor a home folder.
    """
    chosen = _chosen("LNBENCH_CACHE")
    if chosen is not None:
        return chosen
    try:
        custom = Path(platformdirs.user_cache_dir("lnbench"))
    except RuntimeError:  # older versions of platformdirs give a relative path instead
        custom = Path("~")
    if not custom.is_absolute():
        raise UnavailableError(
            "this user has no home folder (HOME is not set, or not an absolute path), so there is no cache folder; set "
            "LNBENCH_CACHE to a folder that can be written."
        )
    return custom


def data_folder() -> Path | None:
    """`$LNBENCH_DATA`, absolute; None if it is not set.

    Raises:
        UnavailableError: if it begins with the home folder of a user who has none.
        DataError: if it names something that is not a folder.
    """
    chosen = _chosen("LNBENCH_DATA")
    if chosen is not None and os.path.lexists(chosen) and not os.path.isdir(chosen):
        what = "a link to nothing" if chosen.is_symlink() and not os.path.exists(chosen) else "not a folder"
        raise DataError(f"LNBENCH_DATA is {chosen}, which is {what}; set it to the folder that holds the data.")
    return chosen


def downloads() -> Path:
    """Where downloads are stored: `data` in the cache folder."""
    return cache_folder() / "data"


def places() -> Iterator[Path]:
    """The folders in which data is looked for, in order: LNBENCH_DATA if it is set, then the downloads."""
    chosen = data_folder()
    if chosen is not None:
        yield chosen
    yield downloads()


def offline() -> str:
    """The variable that forbids downloads: LNBENCH_OFFLINE, HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE; empty if none."""
    on, names = {"1", "true", "yes", "on"}, ("LNBENCH_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return next((name for name in names if os.environ.get(name, "").strip().lower() in on), "")


def environment() -> dict[str, str]:
    """The variables with which a process elsewhere, started now, finds the same folders, proxies and permissions.

    All of LNBENCH_… and HF_…, proxies and certificates, with every path absolute, so that neither another working
    folder nor a missing HOME or XDG_CACHE_HOME changes what they mean. Where a variable was not set, the cache folder
    that was found without it is handed over. HF_TOKEN is among them.

    Raises:
        UnavailableError, DataError: as `cache_folder` and `data_folder`.
    """
    proxies = {name for name in os.environ if name.lower() in _PROXIES}
    ours = {name for name in os.environ if name.startswith(_PREFIXES)}
    handed = {name: os.environ[name] for name in sorted(proxies | ours | (os.environ.keys() & set(_PATHS)))}
    for name in handed.keys() & {*_PATHS, *_HUB_PATHS}:
        if handed[name] and handed[name][0] not in "~$":  # which huggingface_hub expands
            handed[name] = os.path.abspath(handed[name])
    handed["LNBENCH_CACHE"] = str(cache_folder())
    if (chosen := data_folder()) is not None:
        handed["LNBENCH_DATA"] = str(chosen)
    return handed


def _chosen(name: str) -> Path | None:
    """The folder that a variable names, with `~` expanded and absolute; None if it is not set or empty."""
    value = os.environ.get(name)
    if not value:
        return None
    try:
        return Path(value).expanduser().absolute()
    except (RuntimeError, OSError):  # no such home folder; or the working folder is gone
        raise UnavailableError(f"{name} is {value!r}, which leads nowhere here; set it to an absolute path.") from None
