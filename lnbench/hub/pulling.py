"""A stranger's dataset from the Hub: listed, weighed, downloaded, compared with the base data, and only then used.

What comes out are flips on data that is already here; no byte of the repository is used in any other way.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnbench.errors import DataError, ProtocolError, RecordError
from lnbench.evaluation import engine
from lnbench.evaluation.store import Store
from lnbench.hub import client, layout, manifest, parquet
from lnbench.hub.client import SCHEME, Address, Entry
from lnbench.hub.manifest import Manifest
from lnbench.poison.published import Published
from lnbench.protocol import Flip, Track, canonical_json
from lnbench.protocol import track as tracks

_TAG = re.compile(r"lnbench-[0-9a-f]{16}")
_CHECK = "lnbench.hub.contents:check"
OnShare = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Pulled:
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
        """Its labels in the form that `lnbench.evaluate` scores."""
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


def pull(repo: str, *, store: Store | None = None, on_share: OnShare | None = None) -> Pulled:
    """Download a dataset and check everything in it.

    A commit that was pulled before, or the tag that `push` gave it, comes from the store without a request.

    Args:
        repo: `user/name`, `user/name@revision` or `hf://user/name@revision`.
        store: where what was checked is kept; the default store if None.
        on_share: called with the share of the checking that is done.

    Raises:
        RecordError: the verdict on a hostile or broken repository, in one sentence.
        ProtocolError: if `repo` is no address.
        UnavailableError: if the network, the Hub or a permission is missing.
        DataError: if the base data is missing here.
    """
    address, store = Address.parse(repo), store or Store()
    known = _remembered(address, store)
    if known is not None:
        return known
    parquet.need()
    commit = client.commit_of(address)
    pinned = address.at(commit)
    known = _remembered(pinned, store)
    if known is not None:
        return known
    try:
        found, flips = _checked(pinned, on_share)
    except RecordError as error:
        raise RecordError(f"{pinned}: {str(error).removeprefix(f'{pinned}: ')}") from None
    value = {"manifest": dict(found.document), "flips": {str(split): flips[split] for split in flips}}
    store.put("hub", _name(pinned), value)
    if address.revision == found.tag:
        store.put("hub", _name(address), {"commit": commit})
    return Pulled(address.repo, commit, found, flips, cached=False)


def own_track(pulled: Pulled, wanted: Track | None) -> Track:
    """The track to score a dataset on: the caller's own, never only the repository's.

    Args:
        wanted: the track asked for, or None for the one that ships under the dataset's track's name.

    Raises:
        ProtocolError: if that is not the dataset's track.
    """
    theirs = pulled.track
    if wanted is None:
        if theirs.name not in tracks.names():
            raise ProtocolError(
                f"{pulled.repo} is for the track {theirs.name}, which does not ship with this lnbench; give its file "
                "as --track FILE.toml."
            )
        wanted = tracks.load(theirs.name)
    if wanted.sha256 != theirs.sha256:
        raise ProtocolError(
            f"{pulled.repo} is for version {theirs.version} of {theirs.name} (sha256 {theirs.sha256[:12]}…), not for "
            f"version {wanted.version} of {wanted.name} (sha256 {wanted.sha256[:12]}…)."
        )
    return wanted


def _checked(address: Address, on_share: OnShare | None) -> tuple[Manifest, dict[int, list[Flip]]]:
    """Everything between a pinned address and its flips."""
    entries = layout.judge(client.listing(address))
    folder = client.download(address, [entries[layout.CARD], entries[manifest.NAME]])
    found = manifest.parse((folder / manifest.NAME).read_bytes())
    judge_track(found.track)
    need_data(found.track)
    tables = layout.judge_tables(found, entries)
    client.download(address, tables)
    _judge_hashes(folder, found, tables)
    job = {"folder": str(folder), "manifest": dict(found.document)}
    for _, share, result in engine.engine("local", 1).map(_CHECK, [job]):
        if result is not None:
            return found, {int(split): [(i, a, b) for i, a, b in flips] for split, flips in result["flips"].items()}
        if on_share is not None:
            on_share(share)
    raise RecordError("its tables were not checked.")


def judge_track(track: Track) -> None:
    """Raise RecordError if a track that came with a dataset borrows the name of another, or needs unknown data."""
    import lnbench.data

    known = sorted(p.stem for p in Path(lnbench.data.__file__).parent.glob("[a-z]*.py"))
    if track.data.source not in known:
        raise RecordError(f"its track is on the data {track.data.source[:40]!r}; this lnbench has {', '.join(known)}.")
    if shipped(track) or track.name not in tracks.names():
        return
    own = tracks.load(track.name)
    if track.version == own.version:
        raise RecordError(f"its {track.name} is not the one of version {own.version} that ships with lnbench.")
    if track.version > own.version:
        raise RecordError(f"it is for version {track.version} of {track.name}, newer than {own.version} here: update.")


def need_data(track: Track) -> None:
    """Raise DataError if the base data would have to be downloaded from where only the repository's own track says."""
    from lnbench.data import parquet as source

    where = track.data.parquet
    if where is None or shipped(track) or source.found(track.data) is not None:
        return
    home = "which names no place to get them from" if where.hub is None else f"{where.hub} at {where.revision}"
    raise DataError(
        f"the images are those of {where.folder} ({home}), which is not here, and nothing is downloaded on a "
        f"stranger's word: set LNBENCH_DATA to the folder that holds {where.folder}."
    )


def shipped(track: Track) -> bool:
    """Whether a track is one that ships with this lnbench, key for key."""
    return track.name in tracks.names() and tracks.load(track.name).sha256 == track.sha256


def _judge_hashes(folder: Path, found: Manifest, entries: list[Entry]) -> None:
    for entry in entries:
        with (folder / entry.path).open("rb") as file:
            came = hashlib.file_digest(file, "sha256").hexdigest()
        if came != found.document["files"][entry.path]["sha256"]:
            raise RecordError(f"{entry.path} has sha256 {came[:12]}…, {manifest.NAME} states another.")


def _name(address: Address) -> dict[str, Any]:
    return {"repo": address.repo, "revision": address.revision}


def _remembered(address: Address, store: Store) -> Pulled | None:
    """A dataset that was checked before, by its commit or its content's tag; None if there is none, or it may move."""
    if address.revision is None or not (address.pinned or _TAG.fullmatch(address.revision)):
        return None
    kept = store.get("hub", _name(address))
    if kept is not None and not address.pinned:
        address = address.at(kept["commit"])
        kept = store.get("hub", _name(address))
    if kept is None or address.revision is None:
        return None
    try:
        found = manifest.parse(canonical_json(kept["manifest"]))
    except RecordError:  # kept by another version of lnbench
        return None
    flips = {int(split): [(i, a, b) for i, a, b in entries] for split, entries in kept["flips"].items()}
    return Pulled(address.repo, address.revision, found, flips, cached=True)
