"""What a loopback Hub holds: repositories of whole snapshots, large files, planned failures, and who may do what."""

from __future__ import annotations

import hashlib
import re
import threading
from dataclasses import dataclass, field
from typing import Any

TOKEN = "hf_loopback"
PAGE = 2
"""Datasets of one page of the list."""
OWNER = "somebody"
JOB_TOKEN = "runner-secret"
"""What a workflow's job asks for its identity with."""
IDENTITY = "identity-of-the-job"


@dataclass
class Repo:
    """One dataset repository: commits are whole snapshots, path -> content."""

    private: bool = False
    gated: bool = False
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        content = [(path, hashlib.sha256(data).hexdigest()) for path, data in sorted(files.items())]
        oid = hashlib.sha1(repr((self.refs.get(branch), content)).encode()).hexdigest()
        self.commits[oid], self.refs[branch] = dict(files), oid
        return oid

    def resolve(self, revision: str) -> str | None:
        return self.refs.get(revision) or self.tags.get(revision) or (revision if revision in self.commits else None)

    @property
    def files(self) -> dict[str, bytes]:
        """The newest files of main."""
        return self.commits[self.refs["main"]]


@dataclass
class Failure:
    """What happens to the next `times` requests whose `METHOD path` matches.

    Attributes:
        how: an HTTP status, or `drop` (no answer), `silence` (none for some seconds), `page` (the login page of a
            hotel's network), `truncate` (half of the body), `short` (a shorter file), `alter` (another content of the
            same length).
    """

    pattern: str
    how: int | str
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)


class Hub:
    """The state behind the server."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.large: dict[str, bytes] = {}
        self.log: list[str] = []
        self.failures: list[Failure] = []
        self.publishers: set[str] = set()
        self.jobs: list[dict[str, Any]] = []
        self.lock = threading.Lock()
        self.url = ""

    def add(self, name: str, files: dict[str, bytes], *, private: bool = False, gated: bool = False) -> str:
        """A repository with one commit; its commit."""
        self.repos[name] = Repo(private=private, gated=gated)
        return self.repos[name].commit("main", {".gitattributes": b"*.parquet filter=lfs\n", **files})

    def fail(self, pattern: str, how: int | str, times: int = 1, **headers: str) -> None:
        """Plan a failure."""
        self.failures.append(Failure(pattern, how, times, {k.replace("_", "-"): v for k, v in headers.items()}))

    def failure(self, line: str) -> Failure | None:
        """The failure planned for a request, used up once."""
        for one in self.failures:
            if one.times > 0 and re.search(one.pattern, line):
                one.times -= 1
                return one
        return None

    def took(self) -> list[str]:
        """The requests since the last call."""
        with self.lock:
            taken, self.log = self.log, []
        return taken


def key(kind: str, name: str) -> str:
    """A repository's name among the server's: those of datasets are as they are."""
    return name if kind == "datasets/" else f"{kind}{name}"


def page(name: str) -> str:
    """The path of a repository's page."""
    return name.removeprefix("models/") if name.startswith("models/") else f"datasets/{name}"


def blob(data: bytes) -> str:
    """Git's hash of a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def is_large(path: str) -> bool:
    """Whether a file goes to large storage."""
    return path.endswith((".parquet", ".safetensors"))


def entry(path: str, data: bytes) -> dict[str, Any]:
    """A file in a listing."""
    found: dict[str, Any] = {"type": "file", "path": path, "size": len(data), "oid": blob(data)}
    if is_large(path):
        found["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
    return found
