"""A stranger's dataset from the Hub: nothing of it is used before it was compared with the base data.

Its listing is checked before a table is downloaded, and its tables before their labels are taken. What comes out are
flips on data that is already here; no byte of the repository is used in any other way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnbench.data import strangers
from lnbench.errors import RecordError
from lnbench.evaluation import engine
from lnbench.evaluation.store import Store
from lnbench.hub import client, layout, manifest, parquet
from lnbench.hub.address import SCHEME, Address
from lnbench.hub.manifest import Manifest
from lnbench.poison.published import Published
from lnbench.protocol import Flip, Track, canonical_json

_TAG = re.compile(r"lnbench-[0-9a-f]{16}")
_CHECK = "lnbench.hub.contents:check"
OnShare = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class PullResult:
    """A dataset that was checked.

    Attributes:
        repo: `user/name`.
        commit: its commit.
        manifest: what its `lnbench.json` says.
        flips: split -> [(index, old, new), …], rebuilt from its tables.
        cached: whether nothing had to be asked of the Hub.
    """

    repo: str
    commit: str
    manifest: Manifest
    flips: Mapping[int, Sequence[Flip]]
    cached: bool

    @property
    def track(self) -> Track:
        """The track its labels are for."""
        return self.manifest.track

    @property
    def source(self) -> str:
        """`hf://user/name@commit`."""
        return f"{SCHEME}{self.repo}@{self.commit}"

    @property
    def published(self) -> Published:
        """Its labels in the form that an evaluation scores."""
        block = self.manifest.document["poisoner"]
        return Published(
            name=block["name"],
            source=self.source,
            flips=self.flips,
            trainings={entry["split"]: entry["trainings"] for entry in self.manifest.document["splits"]},
            description=block["description"],
            author=block["author"],
            paper=block["paper"],
            license=block["license"],
            parameters=dict(block["parameters"]),
        )


def pull(
    repo: str, *, track: Track | None = None, store: Store | None = None, on_share: OnShare | None = None
) -> PullResult:
    """Download a dataset and check everything in it.

    A commit that was pulled before, or the tag that `push` gave it, comes from the store without a request.

    Args:
        repo: `user/name`, `user/name@revision` or `hf://user/name@revision`.
        track: the dataset's track, from a file of yours: needed if it does not ship and says itself where its data is.
        store: where what was checked is stored; the default store if None.
        on_share: called with the share of the checking that is done.

    Raises:
        RecordError: the verdict on a hostile or broken repository, in one sentence.
        ProtocolError: if `repo` is not an address.
        UnavailableError: if the network, the Hub or a permission is missing.
        DataError: if the base data is missing here, or only the repository says where to get it.
    """
    address, store = Address.parse(repo), store or Store()
    stored = _stored(address, store)
    if stored is not None:
        return stored
    parquet.need()
    commit = client.commit_of(address)
    pinned = address.at(commit)
    stored = _stored(pinned, store)
    if stored is not None:
        return stored
    try:
        stated, flips = _checked(pinned, track, on_share)
    except RecordError as error:
        raise RecordError(f"{pinned}: {str(error).removeprefix(f'{pinned}: ')}") from None
    value = {"manifest": dict(stated.document), "flips": {str(split): flips[split] for split in flips}}
    store.put("hub", _name(pinned), value)
    if address.revision == stated.tag:
        store.put("hub", _name(address), {"commit": commit})
    return PullResult(address.repo, commit, stated, flips, cached=False)


def _checked(address: Address, track: Track | None, on_share: OnShare | None) -> tuple[Manifest, dict[int, list[Flip]]]:
    """Everything between a pinned address and its flips."""
    entries = layout.check_listing(client.listing(address))
    folder = client.download(address, [entries[layout.CARD], entries[manifest.NAME]])
    stated = manifest.parse((folder / manifest.NAME).read_bytes())
    strangers.check_track(stated.track)
    strangers.check_data(stated.track, track)
    tables = layout.check_tables(stated, entries)
    client.download(address, tables)
    check_hashes(folder, stated.document["files"], [entry.path for entry in tables], manifest.NAME)
    job = {"folder": str(folder), "manifest": dict(stated.document)}
    for _, share, result in engine.engine("local", 1).map(_CHECK, [job]):
        if result is not None:
            return stated, {int(split): [(i, a, b) for i, a, b in flips] for split, flips in result["flips"].items()}
        if on_share is not None:
            on_share(share)
    raise RecordError("its tables were not checked.")


def check_hashes(folder: Path, files: Mapping[str, Mapping[str, Any]], paths: Sequence[str], name: str) -> None:
    """Raise RecordError unless files are what a manifest states.

    Args:
        files: path -> `bytes` and `sha256`, as it states them.
        paths: the files to look at.
        name: of the manifest's file.
    """
    for path in paths:
        with (folder / path).open("rb") as file:
            came = hashlib.file_digest(file, "sha256").hexdigest()
        if came != files[path]["sha256"]:
            raise RecordError(f"{path} has sha256 {came[:12]}…, {name} states another.")


def _name(address: Address) -> dict[str, Any]:
    return {"repo": address.repo, "revision": address.revision}


def _stored(address: Address, store: Store) -> PullResult | None:
    """A dataset that was checked before, by its commit or its content's tag; None if there is none, or it may move."""
    if address.revision is None or not (address.pinned or _TAG.fullmatch(address.revision)):
        return None
    entry = store.get("hub", _name(address))
    if entry is not None and not address.pinned:
        address = address.at(entry["commit"])
        entry = store.get("hub", _name(address))
    if entry is None or address.revision is None:
        return None
    try:
        stated = manifest.parse(canonical_json(entry["manifest"]))
    except RecordError:  # stored by another version of lnbench
        return None
    flips = {int(split): [(i, a, b) for i, a, b in listed] for split, listed in entry["flips"].items()}
    return PullResult(address.repo, address.revision, stated, flips, cached=True)
