"""A suite from the Hub: a stranger's, until everything in it was compared with its records and the base data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lnbench import data
from lnbench.data import strangers
from lnbench.errors import ProtocolError, RecordError
from lnbench.evaluation import engine, saved_victims
from lnbench.evaluation.saved_victims import SavedVictim
from lnbench.evaluation.store import Store
from lnbench.hub import client, parquet
from lnbench.hub import layout as layouts
from lnbench.hub.address import SCHEME, Address
from lnbench.hub.client import Entry
from lnbench.hub.pulling import OnShare, check_hashes
from lnbench.hub.suite import contents, layout, manifest
from lnbench.hub.suite.manifest import SuiteManifest
from lnbench.hub.suite.victims import check_victim
from lnbench.protocol import Track, canonical_json
from lnbench.record.record import Record

if TYPE_CHECKING:
    from lnbench.hub._torch import LabelledDataset

REPO = "lnbench/suite"
"""The repository of the project's own suite."""
_CHECK = "lnbench.hub.suite.contents:check"
_WHAT = "a suite of lnbench"


@dataclass(frozen=True, eq=False)
class Suite:
    """A suite that was checked.

    Attributes:
        repo: `user/name`.
        commit: its commit.
        manifest: what its `suite.json` says.
        records: track -> the record its labels are from, without its victims.
        cached: whether nothing had to be asked of the Hub.
    """

    repo: str
    commit: str
    manifest: SuiteManifest
    records: Mapping[str, Record]
    cached: bool

    @property
    def source(self) -> str:
        """`hf://user/name@commit`."""
        return f"{SCHEME}{self.repo}@{self.commit}"

    @property
    def tracks(self) -> tuple[str, ...]:
        """The tracks it holds."""
        return tuple(self.records)

    def record(self, track: str) -> Record:
        """The record of the attack whose labels a track has.

        Raises:
            ProtocolError: if the suite does not hold the track.
        """
        if track not in self.records:
            raise ProtocolError(f"{self.repo} has no track {track[:60]!r}; it has {', '.join(self.tracks)}.")
        return self.records[track]

    def dataset(
        self, track: str, split: int = 0, arm: str = "poisoned", seed: int = 0, draw: int = 0, *, train: bool = True
    ) -> LabelledDataset:
        """One split of a track with the labels of one arm, as a torch Dataset.

        Args:
            arm: `clean`, `random`, `poisoned`, or `matched` where the track has it.
            seed, draw: which of the arm's draws; the clean and poisoned labels have only one.
            train: the training points; False for the test points, which are never poisoned.

        Raises:
            ProtocolError: if the suite has no such track, split, arm, seed or draw.
            DataError: if the base data is missing here.
        """
        made = self._checked(track, split, arm, seed, draw)
        from lnbench.hub._torch import LabelledDataset

        points = data.load(made.track, split, made.streams())
        if not train:
            return LabelledDataset(points.test_inputs, points.test_labels, points.test_labels)
        return LabelledDataset(
            points.inputs, layout.labels_of(made, points.labels, split, arm, seed, draw), points.labels
        )

    def victim(
        self, track: str, architecture: str, split: int = 0, arm: str = "poisoned", seed: int = 0, draw: int = 0
    ) -> SavedVictim:
        """One victim, from the client's cache or downloaded.

        Raises:
            ProtocolError: if the suite holds no such victim.
            RecordError: if it is not what `suite.json` and the record state.
            UnavailableError: if the network, the Hub or a permission is missing.
        """
        made = self._checked(track, split, arm, seed, draw)
        named = any(victim.name == architecture for victim in made.track.victims)
        timm = named and saved_victims.by_timm(made.track, architecture)
        folder = f"{arm}-{draw}" if draw else arm
        place = saved_victims.place(architecture, split, folder, seed, timm=timm)
        path = f"{layout.victims_folder(track)}/{place}"
        stated = self.manifest.files.get(path)
        if stated is None:
            raise ProtocolError(
                f"{self.repo} holds no victim {architecture} of {track}, arm {folder}, split {split}, seed {seed}."
            )
        address = Address(self.repo, self.commit)
        local = client.local(address, path)
        if local is None:
            local = client.download(address, [e for e in client.listing(address) if e.path == path]) / path
        check_hashes(local.parents[path.count("/")], self.manifest.files, [path], manifest.NAME)
        victim = saved_victims.load(local)
        check_victim(victim, made, architecture, split, arm, seed, draw)
        return victim

    def _checked(self, track: str, split: int, arm: str, seed: int, draw: int) -> Record:
        """The record of a track that has such a split and draw."""
        made = self.record(track)
        splits, seeds = made.document["replication"]["splits"], made.document["replication"]["seeds"]
        if not 0 <= split < splits:
            raise ProtocolError(f"the suite has splits 0 … {splits - 1} of {track}; got {split}.")
        drawn = {arm for arm, _, _ in layout.columns(made.track, seeds).values()}
        if arm not in {"clean", "poisoned", *drawn}:
            arms = ", ".join(("clean", "poisoned", *sorted(drawn)))
            raise ProtocolError(f"the suite has the arms {arms} of {track}; got {arm[:60]!r}.")
        if not 0 <= seed < seeds:
            raise ProtocolError(f"the suite has seeds 0 … {seeds - 1} of {track}; got {seed}.")
        most = made.track.replication.random_draws if arm == "random" else 1
        if not 0 <= draw < most:
            raise ProtocolError(f"the arm {arm} of {track} has draws 0 … {most - 1} a seed; got {draw}.")
        return made


def pull(repo: str = REPO, *, store: Store | None = None, on_share: OnShare | None = None) -> Suite:
    """Download a suite's records and tables and check everything in them; victims are downloaded one by one.

    A commit that was pulled before, or the tag that names its content, comes from the store without a request.

    Args:
        repo: `user/name` or `user/name@revision`.
        store: where what was checked is stored; the default store if None.
        on_share: called with the share of the checking that is done.

    Raises:
        RecordError: the verdict on a hostile or broken repository, in one sentence.
        ProtocolError: if `repo` is not an address.
        UnavailableError: if the network, the Hub or a permission is missing.
        DataError: if the base data is missing here.
    """
    address, store = Address.parse(repo), store or Store()
    stored = _stored(address, store)
    if stored is not None:
        return stored
    parquet.need()
    pinned = address.at(client.commit_of(address))
    stored = _stored(pinned, store)
    if stored is not None:
        return stored
    try:
        stated, records = _checked(pinned, on_share)
    except RecordError as error:
        raise RecordError(f"{pinned}: {str(error).removeprefix(f'{pinned}: ')}") from None
    value = {
        "suite": dict(stated.document),
        "records": {name: dict(made.document) for name, made in records.items()},
    }
    store.put("hub", _name(pinned), value)
    if address.revision == stated.tag:
        store.put("hub", _name(address), {"commit": pinned.revision})
    return Suite(pinned.repo, str(pinned.revision), stated, records, cached=False)


def check_listing(entries: list[Entry]) -> dict[str, Entry]:
    """The files of a suite's listing by path, checked before any of them is downloaded.

    Raises:
        RecordError: if one does not belong in a suite, or is too large.
    """
    files = layouts.check_listing(entries, layout.ours, manifest.NAME, _WHAT)
    for path, entry in files.items():
        if entry.size > layout.most_bytes(path):
            raise RecordError(f"{path} has {entry.size} bytes, the most it may have are {layout.most_bytes(path)}.")
    return files


def check_record(stated: SuiteManifest, made: Record, entries: Mapping[str, Entry]) -> list[Entry]:
    """The tables of a track, whose record is believed no more than that it is one.

    Raises:
        RecordError: if its track passes for another one, or its tables cannot be those of its splits.
        DataError: if only the record says where its data is.
    """
    strangers.check_track(made.track)
    strangers.check_data(made.track)
    name = made.track.name
    paths = layout.tables(stated.files, name)
    splits, images = range(stated.tracks[name].splits), stated.tracks[name].images
    return layouts.check_sizes(paths, entries, made.track, splits, images, lambda stem: layouts.of_track(name, stem))


def _checked(address: Address, on_share: OnShare | None) -> tuple[SuiteManifest, dict[str, Record]]:
    """Everything between a pinned address and what is believed of it."""
    entries = check_listing(client.listing(address))
    folder = client.download(address, [entries[layouts.CARD], entries[manifest.NAME]])
    stated = manifest.parse((folder / manifest.NAME).read_bytes())
    layouts.check_stated(stated.files, entries, manifest.NAME)
    if missing := [name for name in stated.tracks if layout.record_path(name) not in entries]:
        raise RecordError(f"it holds no {layout.record_path(missing[0])}.")
    wanted = [entries[layout.record_path(name)] for name in stated.tracks]
    client.download(address, wanted)
    records = {name: contents.read_record(folder, track) for name, track in stated.tracks.items()}
    for made in records.values():
        wanted += check_record(stated, made, entries)
    client.download(address, wanted)
    check_hashes(folder, stated.files, [entry.path for entry in wanted], manifest.NAME)
    jobs = [{"folder": str(folder), "manifest": dict(stated.document), "track": name} for name in stated.tracks]
    done: dict[int, float] = {}
    for place, share, _ in engine.engine("local", 1).map(_CHECK, jobs):
        done[place] = share
        if on_share is not None:
            on_share(sum(done.values()) / len(jobs))
    return stated, {name: _slim(made.document, made.track) for name, made in records.items()}


def _slim(document: Mapping[str, Any], track: Track) -> Record:
    """A record without its victims, which are most of it."""
    return Record({name: value for name, value in document.items() if name != "victims"}, track)


def _name(address: Address) -> dict[str, Any]:
    return {"suite": address.repo, "revision": address.revision}


def _stored(address: Address, store: Store) -> Suite | None:
    """A suite that was checked before, by its commit or its content's tag; None if there is none, or it may move."""
    if address.revision is None or not (address.pinned or address.revision.startswith("suite-")):
        return None
    entry = store.get("hub", _name(address))
    if entry is not None and not address.pinned:
        address = address.at(entry["commit"])
        entry = store.get("hub", _name(address))
    if entry is None or address.revision is None:
        return None
    try:
        stated = manifest.parse(canonical_json(entry["suite"]))
        tracks = {name: Track.from_document(made["track"]["document"]) for name, made in entry["records"].items()}
    except (RecordError, ProtocolError):  # stored by another version of lnbench
        return None
    records = {name: Record(entry["records"][name], track) for name, track in tracks.items()}
    return Suite(address.repo, address.revision, stated, records, cached=True)
