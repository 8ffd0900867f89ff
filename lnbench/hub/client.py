"""What is asked of the Hub's real client: a revision's commit, its files, and their content."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from lnbench.errors import RecordError, UnavailableError
from lnbench.hub.address import COMMIT, Address
from lnbench.hub.failures import ask

FILES = 20_000
"""The most entries of a repository that are looked at."""


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


def commit_of(address: Address) -> str:
    """The commit behind a revision, one request; none for a commit itself."""
    if address.pinned and address.revision is not None:
        return address.revision

    def newest() -> str | None:
        from huggingface_hub import HfApi

        info = HfApi().repo_info(address.repo, repo_type=address.kind, revision=address.revision or "main")
        return info.sha

    commit = ask(address, "pulling", newest)
    if not isinstance(commit, str) or COMMIT.fullmatch(commit) is None:
        raise UnavailableError(
            f"the Hub names no commit of {address}; try again, or give one as {address.repo}@COMMIT."
        )
    return commit


def listing(address: Address) -> list[Entry]:
    """Every file of a revision.

    Raises:
        RecordError: if they are more than `FILES`.
    """

    def collect() -> list[Entry]:
        from huggingface_hub import HfApi
        from huggingface_hub.hf_api import RepoFile

        entries = []
        tree = HfApi().list_repo_tree(address.repo, repo_type=address.kind, revision=address.revision, recursive=True)
        for number, entry in enumerate(tree):
            if number >= FILES:
                raise RecordError(f"{address}: it lists more than {FILES} files; what lnbench publishes has fewer.")
            if isinstance(entry, RepoFile):
                large = entry.lfs.sha256 if entry.lfs is not None else None
                entries.append(Entry(entry.path, int(entry.size or 0), entry.blob_id, large))
        return entries

    return ask(address, "pulling", collect)


def download(address: Address, entries: list[Entry]) -> Path:
    """The folder of the client's cache that holds these files of a commit, each with the content the Hub listed.

    Args:
        entries: of `listing`, with paths that were checked.

    Raises:
        UnavailableError: if one breaks off or is not what the Hub said it would be; it is then no longer here.
    """
    paths = [entry.path for entry in entries]
    for path in paths:
        if any(c in path for c in "*?[]\\"):
            raise ValueError(f"{path!r} is not a path that was checked")

    def fetch() -> str:
        from huggingface_hub import snapshot_download

        return snapshot_download(
            address.repo, repo_type=address.kind, revision=address.revision, allow_patterns=paths, etag_timeout=30
        )

    folder = Path(ask(address, "pulling", fetch))
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


def local(address: Address, path: str) -> Path | None:
    """A file of a commit in the client's cache, or None; nothing is asked of the Hub."""
    from huggingface_hub import try_to_load_from_cache

    place = try_to_load_from_cache(address.repo, path, repo_type=address.kind, revision=address.revision)
    return Path(place) if isinstance(place, str) else None


def _forget(path: Path) -> None:
    """Remove a file from the client's cache: the link, and the content behind it."""
    content = path.resolve()
    path.unlink(missing_ok=True)
    content.unlink(missing_ok=True)
