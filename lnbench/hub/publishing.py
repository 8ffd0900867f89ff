"""Files to a repository on the Hub: one commit on top of the one that was looked at, and perhaps a tag.

Files are content-addressed: what an interrupted upload has sent is not sent again, and nothing shows in the repository
before the one commit that holds everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnbench.data import network
from lnbench.errors import ProtocolError, UnavailableError
from lnbench.hub import client
from lnbench.hub.address import Address
from lnbench.hub.failures import ask

DOING = "pushing to"
ATTRIBUTES = ".gitattributes"
"""The Hub's own file in every repository."""


@dataclass(frozen=True)
class PublishResult:
    """What is on the Hub now.

    Attributes:
        commit: the commit with these files.
        tag: the tag of that commit, if it has one.
        url: the page of the repository, or of the pull request.
        changed: False if the repository held exactly this already.
    """

    commit: str
    tag: str | None
    url: str
    changed: bool


def publish(
    address: Address,
    files: Mapping[str, Path],
    *,
    message: str,
    foreign: Callable[[Iterable[str]], str | None],
    what: str,
    tag: str | None = None,
    private: bool = False,
    create_pr: bool = False,
) -> PublishResult:
    """Make a repository hold exactly these files.

    A repository that is not there is made first. One that is there is not made again, which a token for it alone could
    not do.

    Args:
        files: path in the repository -> file here.
        foreign: given the paths that are there, one that is a stranger's in such a repository, or None.
        what: what is published, for the sentence: `A poisoned dataset`, …
        tag: names the content, so a tag that exists already is right.
        private: make the repository a private one; it is an error if it exists and is public.
        create_pr: propose the commit as a pull request instead.

    Raises:
        ProtocolError: if the repository holds something else.
        UnavailableError: if the network, the Hub or a permission is missing; nothing half-written is visible there.
    """
    api, repo = ask(address, DOING, _api, writing=True), address.repo
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    def asked(call: Callable[[], Any]) -> Any:
        return ask(address, DOING, call, writing=True)

    if not create_pr and not asked(lambda: api.repo_exists(repo, repo_type=address.kind)):
        sdk = {"space_sdk": "static"} if address.kind == "space" else {}
        asked(lambda: api.create_repo(repo, repo_type=address.kind, exist_ok=True, private=private or None, **sdk))
    info = asked(lambda: api.repo_info(repo, repo_type=address.kind))
    if private and not info.private:
        raise ProtocolError(f"{repo} exists and is public; nothing was pushed. Choose another name for --private.")
    head = str(info.sha)
    there = [entry.path for entry in client.listing(address.at(head))]
    if (odd := foreign(there)) is not None:
        raise ProtocolError(
            f"{repo} holds other things already ({odd[:100]!r}); nothing was pushed. {what} needs a repository of its "
            "own."
        )
    stale = [path for path in there if path not in files and path != ATTRIBUTES]
    operations: list[Any] = [CommitOperationAdd(path, str(file)) for path, file in files.items()]
    operations += [CommitOperationDelete(path) for path in stale]
    commit = asked(
        lambda: api.create_commit(
            repo,
            operations,
            commit_message=message,
            repo_type=address.kind,
            parent_commit=head,
            create_pr=create_pr,
        )
    )
    if create_pr:
        return PublishResult(commit.oid, None, str(commit.pr_url), changed=True)
    if tag is not None:
        _tag(api, address, tag, commit.oid)
    page = f"{network.shown(api.endpoint)}/{address.page}"
    return PublishResult(commit.oid, tag, page, changed=commit.oid != head)


def _api() -> Any:
    """The client; some settings make its import fail."""
    from huggingface_hub import HfApi

    return HfApi()


def _tag(api: Any, address: Address, tag: str, commit: str) -> None:
    """Tag the commit."""
    try:
        ask(
            address,
            DOING,
            lambda: api.create_tag(address.repo, tag=tag, revision=commit, repo_type=address.kind, exist_ok=True),
            writing=True,
        )
    except UnavailableError as error:
        raise UnavailableError(
            f"{address.repo} holds the {address.kind} as commit {commit}, but it could not be tagged: {error}"
        ) from None
