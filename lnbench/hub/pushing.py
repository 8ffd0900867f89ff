"""A record's labels to the Hub: built and checked here, then published as one commit and one tag."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnbench.data import network, strangers
from lnbench.errors import ProtocolError, UnavailableError
from lnbench.hub import build, client, layout, manifest, parquet
from lnbench.hub.address import Address
from lnbench.hub.build import OnSplit
from lnbench.hub.failures import ask, check_online
from lnbench.hub.licences import licence
from lnbench.protocol import Track
from lnbench.record.record import Record

_DOING = "pushing to"


@dataclass(frozen=True)
class PushResult:
    """What is on the Hub now.

    Attributes:
        repo: `user/name`.
        commit: the commit to name in papers and in `hf://user/name@commit`.
        tag: the tag of that commit; None for a pull request.
        url: the page of the dataset, or of the pull request.
        images: whether images are in it.
        changed: False if the repository held exactly this already.
    """

    repo: str
    commit: str
    tag: str | None
    url: str
    images: bool
    changed: bool


def push(
    record: Record,
    repo: str,
    *,
    private: bool = False,
    images: bool | None = None,
    splits: list[int] | None = None,
    create_pr: bool = False,
    salt: str | None = None,
    victims: Path | None = None,
    track: Track | None = None,
    on_split: OnSplit | None = None,
) -> PushResult:
    """Publish the labels of a record.

    Files are content-addressed: what an interrupted push has uploaded is not uploaded again, and nothing shows in the
    repository before the one commit that holds everything.

    Args:
        private: make the repository a private one; it is an error if it exists and is public.
        images: include the images; None means if the licence of the base data is known to allow it.
        splits: which splits; all of the record's if None.
        create_pr: propose the commit as a pull request instead.
        salt: the salt of a closed season, if the record's is not public.
        victims: a folder of `--keep-victims` to publish with the labels.
        track: the record's track, from a file of yours: needed if it does not ship and says itself where its data is.
        on_split: called with the number of splits built and in all.

    Raises:
        RecordError: if the record does not hold.
        ProtocolError: if the request makes no sense, or the repository holds something else.
        UnavailableError: if the network, the Hub or a permission is missing; nothing half-written is visible there.
        DataError: if the base data is missing here.
    """
    address = Address.parse(repo)
    if address.revision is not None:
        raise ProtocolError(f"a push makes a new commit of main: give {address.repo} without @{address.revision}.")
    parquet.need()
    build.check_record(record)
    strangers.check_data(record.track, track)
    chosen, drawn = _splits(record, splits), build.salt_of(record, salt)
    if images is None:
        images = licence(record.track.data.source).images
    extra = _victims(record, victims)
    check_online(address, _DOING)
    with tempfile.TemporaryDirectory(prefix="lnbench-push-") as scratch:
        folder = Path(scratch)
        made = build.build(
            record, folder, address.repo, salt=drawn, images=images, splits=chosen, extra=extra, on_split=on_split
        )
        files = {path: extra.get(path, folder / path) for path in (*made.document["files"], *layout.UNSTATED)}
        return _publish(record, address, made, files, private, create_pr)


def _splits(record: Record, asked_for: list[int] | None) -> list[int]:
    have = record.document["replication"]["splits"]
    wrong = [split for split in asked_for or [] if not 0 <= split < have]
    if wrong:
        raise ProtocolError(f"the record has splits 0 … {have - 1}; got {wrong[0]}.")
    return sorted(set(asked_for)) if asked_for else list(range(have))


def _victims(record: Record, folder: Path | None) -> dict[str, Path]:
    """The victims' files, path in the repository -> file here, if they are this record's."""
    if folder is None:
        return {}
    from lnbench.evaluation import saved_victims

    saved_victims.check_folder(folder, record)
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {f"{layout.VICTIMS}/{path.relative_to(folder).as_posix()}": path for path in files}


def _publish(
    record: Record,
    address: Address,
    made: manifest.Manifest,
    files: dict[str, Path],
    private: bool,
    create_pr: bool,
) -> PushResult:
    api, repo = ask(address, _DOING, _api, writing=True), address.repo
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    if not create_pr:
        ask(
            address,
            _DOING,
            lambda: api.create_repo(repo, repo_type=client.KIND, exist_ok=True, private=private or None),
            writing=True,
        )
    info = ask(address, _DOING, lambda: api.dataset_info(repo), writing=True)
    if private and not info.private:
        raise ProtocolError(f"{repo} exists and is public; nothing was pushed. Choose another name for --private.")
    head = str(info.sha)
    there = [e.path for e in client.listing(address.at(head))]
    foreign = [path for path in there if not layout.ours(path)]
    if foreign:
        raise ProtocolError(
            f"{repo} holds other things already ({foreign[0][:100]!r}); nothing was pushed. A poisoned dataset needs a "
            "repository of its own."
        )
    stale = [path for path in there if path not in files and path != ".gitattributes"]
    operations: list[Any] = [CommitOperationAdd(path, str(file)) for path, file in files.items()]
    operations += [CommitOperationDelete(path) for path in stale]
    commit = ask(
        address,
        _DOING,
        lambda: api.create_commit(
            repo,
            operations,
            commit_message=f"{record.name} on {record.track.name}, record {record.sha256[:8]}",
            repo_type=client.KIND,
            parent_commit=head,
            create_pr=create_pr,
        ),
        writing=True,
    )
    if create_pr:
        return PushResult(repo, commit.oid, None, str(commit.pr_url), made.images, True)
    _tag(api, address, made.tag, commit.oid)
    page = f"{network.shown(api.endpoint)}/datasets/{repo}"
    return PushResult(repo, commit.oid, made.tag, page, made.images, commit.oid != head)


def _api() -> Any:
    """The client; some settings make its import fail."""
    from huggingface_hub import HfApi

    return HfApi()


def _tag(api: Any, address: Address, tag: str, commit: str) -> None:
    """Tag the commit. The tag names the content, so one that exists already is right."""
    try:
        ask(
            address,
            _DOING,
            lambda: api.create_tag(address.repo, tag=tag, revision=commit, repo_type=client.KIND, exist_ok=True),
            writing=True,
        )
    except UnavailableError as error:
        raise UnavailableError(
            f"{address.repo} holds the dataset as commit {commit}, but it could not be tagged: {error}"
        ) from None
