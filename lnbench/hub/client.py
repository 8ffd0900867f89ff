"""The one door to the Hub: the real client's calls, and each of its failures as one sentence.

Every call goes through `asked`, which waits and asks again when the Hub says that there were too many requests, and
turns what the client raises into `UnavailableError` (something is missing here or there) or `ProtocolError` (a name
that cannot be). Nothing is asked when LNBENCH_OFFLINE or HF_HUB_OFFLINE forbids the network.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lnbench.data import _files
from lnbench.errors import ProtocolError, RecordError, UnavailableError

T = TypeVar("T")

SCHEME = "hf://"
KIND = "dataset"
FILES = 20_000
"""The most entries of a repository that are looked at."""
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_ADDRESS = re.compile(rf"(?:hf://)?(?:datasets/)?({_NAME}/{_NAME})(?:@([A-Za-z0-9][A-Za-z0-9._/-]{{0,199}}))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between tries when the Hub asks for patience and does not say how much."""
_PATIENCE = 60.0
"""The longest single wait that the Hub may ask for."""


@dataclass(frozen=True)
class Address:
    """A dataset repository, and perhaps a revision of it.

    Attributes:
        repo: `user/name`.
        revision: a commit, tag or branch; None for the newest commit of `main`.
    """

    repo: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address in `user/name`, `user/name@revision`, with or without `hf://`.

        Raises:
            ProtocolError: if it is none.
        """
        match = _ADDRESS.fullmatch(text)
        if match is None or any(bad in text for bad in ("..", "--", "@/")) or match[1].endswith(".git"):
            raise ProtocolError(f"expected a Hub dataset as user/name or user/name@revision, got {text[:120]!r}.")
        return cls(match[1], match[2])

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, which cannot change."""
        return self.revision is not None and _COMMIT.fullmatch(self.revision) is not None

    def at(self, revision: str) -> Address:
        """The same repository at another revision."""
        return Address(self.repo, revision)

    def __str__(self) -> str:
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"


@dataclass(frozen=True)
class Entry:
    """One file of a repository, as the Hub lists it.

    Attributes:
        path: its path there.
        size: bytes.
        git: SHA-1 of the git blob, for small files.
        sha256: of the content, for large files.
    """

    path: str
    size: int
    git: str | None
    sha256: str | None

    def describes(self, path: Path) -> bool:
        """Whether a file here has the size and hash that the Hub states."""
        if path.stat().st_size != self.size:
            return False
        stated = self.sha256 or self.git
        hashed = hashlib.sha256() if self.sha256 else hashlib.sha1(b"blob %d\0" % self.size, usedforsecurity=False)
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                hashed.update(chunk)
        return stated == hashed.hexdigest()


def asked(address: Address, doing: str, call: Callable[[], T], *, writing: bool = False) -> T:
    """What a call of the client returns.

    Args:
        doing: what was being done, for the sentence: `pulling`, `pushing to`, …
        writing: whether the call needs a token.

    Raises:
        UnavailableError: the network, the Hub, a permission or a token is missing.
        ProtocolError: the name is none.
    """
    online(address, doing)
    waits = iter(_WAITS)
    while True:
        try:
            return call()
        except Exception as raised:
            error = _bare(raised)
            wait = next(waits, None) if _status(error) == 429 else None
            if wait is None:
                known = _sentence(error, address, doing, writing)
                if known is None:
                    raise
                raise known from None
        time.sleep(_asked_wait(error, wait))


def online(address: Address, doing: str) -> None:
    """Raise UnavailableError if the network is forbidden."""
    if _files.offline():
        raise UnavailableError(
            f"{doing} {address} needs the network, which LNBENCH_OFFLINE or HF_HUB_OFFLINE forbids; unset it."
        )


def commit_of(address: Address) -> str:
    """The commit behind a revision, one request; none for a commit itself."""
    if address.pinned and address.revision is not None:
        return address.revision
    from huggingface_hub import HfApi

    info = asked(address, "pulling", lambda: HfApi().dataset_info(address.repo, revision=address.revision or "main"))
    if not isinstance(info.sha, str) or _COMMIT.fullmatch(info.sha) is None:
        raise UnavailableError(
            f"the Hub names no commit of {address}; try again, or give one as {address.repo}@COMMIT."
        )
    return info.sha


def listing(address: Address) -> list[Entry]:
    """Every file of a revision.

    Raises:
        RecordError: if they are more than `FILES`.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    def collect() -> list[Entry]:
        found = []
        tree = HfApi().list_repo_tree(address.repo, repo_type=KIND, revision=address.revision, recursive=True)
        for number, entry in enumerate(tree):
            if number >= FILES:
                raise RecordError(f"{address}: it lists more than {FILES} files; an lnbench dataset has fewer.")
            if isinstance(entry, RepoFile):
                large = entry.lfs.sha256 if entry.lfs is not None else None
                found.append(Entry(entry.path, int(entry.size or 0), entry.blob_id, large))
        return found

    return asked(address, "pulling", collect)


def download(address: Address, entries: list[Entry]) -> Path:
    """The folder of the client's cache that holds these files of a commit, each with the content the Hub listed.

    Args:
        entries: of `listing`, with paths that were judged.

    Raises:
        UnavailableError: if one breaks off or is not what the Hub said it would be; it is then no longer here.
    """
    from huggingface_hub import snapshot_download

    for entry in entries:
        if any(c in entry.path for c in "*?[]\\"):
            raise ValueError(f"no path of ours: {entry.path!r}")
    folder = asked(
        address,
        "pulling",
        lambda: Path(
            snapshot_download(
                address.repo,
                repo_type=KIND,
                revision=address.revision,
                allow_patterns=[entry.path for entry in entries],
                etag_timeout=30,
            )
        ),
    )
    missing = [entry for entry in entries if not (folder / entry.path).is_file()]
    if missing:
        raise UnavailableError(f"{missing[0].path} of {address} did not arrive; run it again.")
    altered = [entry for entry in entries if not entry.describes(folder / entry.path)]
    for entry in altered:
        _forget(folder / entry.path)
    if altered:
        raise UnavailableError(
            f"{altered[0].path} of {address} arrived with other content than its etag states, and was thrown away; "
            "run it again, and if it stays so, something between here and the Hub alters files."
        )
    return folder


def _forget(path: Path) -> None:
    """Remove a file from the client's cache: the link, and the content behind it."""
    content = path.resolve()
    path.unlink(missing_ok=True)
    content.unlink(missing_ok=True)


def _bare(error: Exception) -> Exception:
    """What really happened: the client wraps a failed upload of one of several files in a RuntimeError."""
    cause = error.__cause__
    return _bare(cause) if isinstance(error, RuntimeError) and isinstance(cause, Exception) else error


def _status(error: BaseException) -> int | None:
    """The HTTP status behind an error of the client, or None."""
    response = getattr(error, "response", None)
    status = getattr(response, "status_code", None)
    return status if isinstance(status, int) else None


def _asked_wait(error: BaseException, otherwise: float) -> float:
    """Seconds to wait before the next try: what the Hub says, within reason."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    reset = re.search(r"\bt=(\d+)", headers.get("RateLimit") or "")
    said = headers.get("Retry-After") or (reset[1] if reset else "")
    return min(float(said), _PATIENCE) if said.isascii() and said.isdigit() else otherwise


def _sentence(error: Exception, address: Address, doing: str, writing: bool) -> Exception | None:
    """The error to raise in place of the client's; None if it is not the Hub's business."""
    from huggingface_hub import constants, errors, get_token

    where = os.environ.get("HF_ENDPOINT") or constants.ENDPOINT
    here = f"{doing} {address}"
    unreachable = UnavailableError(
        f"{here} failed: {where} could not be reached or broke off ({_cause(error)}); what arrived is kept, so run it "
        "again when the network is back."
    )
    if isinstance(error, errors.HFValidationError):
        return ProtocolError(f"the Hub allows no repository called {address.repo!r}.")
    if isinstance(error, errors.OfflineModeIsEnabled):
        return UnavailableError(f"{here} needs the network, which HF_HUB_OFFLINE forbids; unset it.")
    if isinstance(error, errors.LocalTokenNotFoundError):
        return _no_token(here)
    if isinstance(error, errors.GatedRepoError):
        return UnavailableError(f"{address.repo} is gated: ask for access at {where}/datasets/{address.repo} first.")
    if isinstance(error, errors.RepositoryNotFoundError):
        if get_token() is None:
            why = "or it is private and there is no token: run `hf auth login` or set HF_TOKEN"
        else:
            why = "or it is private and this token may not see it"
        return UnavailableError(f"there is no dataset {address.repo} on {where}, {why}.")
    if isinstance(error, errors.RevisionNotFoundError):
        return UnavailableError(f"{address.repo} has no revision {address.revision}: it was never there, or is gone.")
    if isinstance(error, errors.LocalEntryNotFoundError):
        return unreachable
    if isinstance(error, errors.EntryNotFoundError):
        return UnavailableError(f"{here} failed: a file that was listed a moment ago is gone; run it again.")
    if (status := _status(error)) is not None:
        return _refused(status, address, here, where, writing and get_token() is None)
    if isinstance(error, errors.FileMetadataError):
        return UnavailableError(f"{here} failed: {where} names no etag or size for a file; run it again.")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
        return None
    if isinstance(error, OSError) and "Consistency check" in str(error):
        return UnavailableError(
            f"{here} failed: a download was truncated; run it again, it goes on where it broke off."
        )
    network = next(c for c in errors.HfHubHTTPError.__mro__ if c.__name__ == "HTTPError")
    return unreachable if isinstance(error, (network, ConnectionError, TimeoutError)) else None


def _refused(status: int, address: Address, here: str, where: str, no_token: bool) -> Exception:
    """What an HTTP status means for the user."""
    if status == 401:
        return (
            _no_token(here)
            if no_token
            else UnavailableError(
                f"{here} failed: {where} does not know this token; run `hf auth login`, or set HF_TOKEN to a valid one."
            )
        )
    if status == 403:
        return UnavailableError(
            f"{here} failed: this token may not do that there; use one with write access, or --create-pr."
        )
    if status == 409:
        return UnavailableError(f"{here} failed: something else is being written there right now; run it again.")
    if status == 412:
        return UnavailableError(
            f"{here} failed: somebody pushed to it meanwhile, so nothing was written; look at what is there, then run "
            "it again."
        )
    if status == 429:
        return UnavailableError(f"{here} failed: {where} still says too many requests after waiting; try again later.")
    if status == 413 or status == 507:
        return UnavailableError(f"{here} failed: {where} has no room for it; nothing was written.")
    if status >= 500:
        return UnavailableError(f"{here} failed: {where} has trouble of its own (HTTP {status}); try again later.")
    return UnavailableError(f"{here} failed: {where} refused it (HTTP {status}).")


def _no_token(here: str) -> UnavailableError:
    return UnavailableError(f"{here} needs a token and there is none: run `hf auth login`, or set HF_TOKEN.")


def _cause(error: BaseException) -> str:
    """The innermost reason in a few words."""
    seen = 0
    while (inner := error.__cause__ or error.__context__) is not None and seen < 10:
        error, seen = inner, seen + 1
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:120]
