"""A record's labels to the Hub: built and checked here, then published as one commit and one tag."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from lnbench.data import strangers
from lnbench.errors import ProtocolError
from lnbench.hub import build, folders, layout, parquet, publishing
from lnbench.hub.address import Address
from lnbench.hub.build import OnSplit
from lnbench.hub.failures import check_online
from lnbench.hub.licences import licence
from lnbench.protocol import Track
from lnbench.record.record import Record


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
    check_online(address, publishing.DOING)
    with tempfile.TemporaryDirectory(prefix="lnbench-push-") as scratch:
        folder = Path(scratch)
        made = build.build(
            record, folder, address.repo, salt=drawn, images=images, splits=chosen, extra=extra, on_split=on_split
        )
        files = {path: extra.get(path, folder / path) for path in (*made.document["files"], *layout.UNSTATED)}
        pushed = publishing.publish(
            address,
            files,
            message=f"{record.name} on {record.track.name}, record {record.sha256[:8]}",
            foreign=lambda there: next((path for path in there if not layout.ours(path)), None),
            what="A poisoned dataset",
            tag=made.tag,
            private=private,
            create_pr=create_pr,
        )
    return PushResult(address.repo, pushed.commit, pushed.tag, pushed.url, made.images, pushed.changed)


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
    paths = [path for path in folders.files_of(folder) if path != saved_victims.RESULTS]
    return {f"{layout.VICTIMS}/{path}": folder / path for path in paths}
