"""The address of a repository on the Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lnbench.errors import ProtocolError

SCHEME = "hf://"
PREFIX = {"dataset": "datasets/", "model": "", "space": "spaces/"}
"""Kind of repository -> what its pages' paths begin with."""
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_ADDRESS = re.compile(rf"(?:hf://)?(?:datasets/)?({_NAME}/{_NAME})(?:@([A-Za-z0-9][A-Za-z0-9._/-]{{0,199}}))?")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Address:
    """A repository, and perhaps a revision of it.

    Attributes:
        repo: `user/name`.
        revision: a commit, tag or branch; None for the newest commit of `main`.
        kind: `dataset`, `model` or `space`.
    """

    repo: str
    revision: str | None = None
    kind: str = "dataset"

    @classmethod
    def parse(cls, text: str, kind: str = "dataset") -> Address:
        """The address in `user/name`, `user/name@revision`, with or without `hf://`.

        Raises:
            ProtocolError: if it is not one.
        """
        match = _ADDRESS.fullmatch(text)
        if match is None or any(bad in text for bad in ("..", "--", "@/")) or match[1].endswith(".git"):
            raise ProtocolError(f"expected a Hub {kind} as user/name or user/name@revision, got {text[:120]!r}.")
        return cls(match[1], match[2], kind)

    @property
    def pinned(self) -> bool:
        """Whether the revision is a commit, which cannot change."""
        return self.revision is not None and COMMIT.fullmatch(self.revision) is not None

    def at(self, revision: str) -> Address:
        """The same repository at another revision."""
        return Address(self.repo, revision, self.kind)

    @property
    def page(self) -> str:
        """The path of its page on the Hub."""
        return f"{PREFIX[self.kind]}{self.repo}"

    def __str__(self) -> str:
        return self.repo if self.revision is None else f"{self.repo}@{self.revision}"
