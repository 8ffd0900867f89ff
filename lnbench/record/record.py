"""The record: one evaluation as one canonical JSON file, the only file format lnbench owns.

The hash covers everything but `run` (when, where, how long) and itself. A file that is not its own canonical form is
refused, so equal records are equal bytes. `lnbench.record.schema` has the fields and what they mean.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np

from lnbench import plotting
from lnbench.errors import ProtocolError, RecordError, UnavailableError
from lnbench.files import RefusedError, parse_canonical, read_at_most, write_atomically
from lnbench.protocol import OWN, Streams, Track, canonical_json, own_salt, sha256, sha256_json
from lnbench.protocol.documents import WrongError, difference, show
from lnbench.protocol.documents import read as read_document
from lnbench.record import dates, kinds, presentation, salts
from lnbench.record.derived import derive, split_accuracies, split_damage_accuracies
from lnbench.record.flags import FLAGS, LABELS_ONLY, REPORTED, meaning
from lnbench.record.plot import Plot
from lnbench.record.schema import (
    SCHEMA,
    Arm,
    Arms,
    Environment,
    Flips,
    PoisonerBlock,
    RecordDocument,
    Run,
    SplitsAndSeeds,
    Thumbnails,
    Victim,
)
from lnbench.record.score_schema import Score
from lnbench.record.tables import Tables

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["FLAGS", "LARGEST", "Record", "RefusedError", "digest", "meaning", "parse", "read", "write"]

LARGEST = 64 << 20
"""Bytes of the largest file that is read."""
_OUTSIDE = ("run", "sha256")
_BLOCKS = ("poisoner", "replication", "flips", "victims", "score", "environment", "run")
"""Attributes of a record that reading its document has made already."""

T = TypeVar("T")


@dataclass(frozen=True, eq=False, repr=False)
class Record:
    """One evaluation of one poisoner on one track.

    Its blocks are attributes of the types in `lnbench.record.schema`: `record.score.drop_pp`,
    `record.arms["random"].adv_acc`, `record.victims[0].clean.correct`.

    Attributes:
        document: the JSON object; not to be changed.
        track: the track it was run on, as the record itself carries it.
    """

    document: Mapping[str, Any]
    track: Track

    def __repr__(self) -> str:
        return presentation.line(self)

    def _repr_html_(self) -> str:
        return presentation.html(self)

    def to_dict(self) -> dict[str, Any]:
        """A copy of the document, to be changed at will."""
        copied: dict[str, Any] = json.loads(canonical_json(self.document))
        return copied

    def to_frame(self) -> DataFrame:
        """The victims as a pandas DataFrame, one line each.

        Raises:
            UnavailableError: if pandas is missing.
        """
        return presentation.frame(self)

    def plot(self) -> Plot:
        """What it scored on each split, and AA against the radius: a figure that a notebook shows, and `save` writes.

            record.plot().save("mine.svg")

        Raises:
            UnavailableError: if matplotlib is missing.
        """
        plotting.require()
        return Plot(self)

    @functools.cached_property
    def poisoner(self) -> PoisonerBlock:
        """Who made the labels."""
        return self._block("poisoner", PoisonerBlock)

    @functools.cached_property
    def replication(self) -> SplitsAndSeeds:
        """Splits and seeds of the evaluation."""
        return self._block("replication", SplitsAndSeeds)

    @functools.cached_property
    def flips(self) -> Flips:
        """The label changes of each arm."""
        return self._block("flips", Flips)

    @functools.cached_property
    def victims(self) -> tuple[Victim, ...]:
        """What was counted on each trained network."""
        return self._block("victims", tuple[Victim, ...])

    @functools.cached_property
    def score(self) -> Score:
        """How much lower adversarial accuracy is than under random flips."""
        return self._block("score", Score)

    @functools.cached_property
    def arms(self) -> Mapping[str, Arm]:
        """The means of each arm's victims, by the arm's name."""
        arms = self._block("arms", Arms)
        return {name: arms[name] for name in arms.__struct_fields__ if name in self.document["arms"]}

    @functools.cached_property
    def thumbnails(self) -> Thumbnails | None:
        """Pictures of flipped points, where the data's licence allows them."""
        return self._block("thumbnails", Thumbnails) if "thumbnails" in self.document else None

    @functools.cached_property
    def environment(self) -> Environment:
        """What the victims' bits depend on besides the protocol."""
        return self._block("environment", Environment)

    @functools.cached_property
    def run(self) -> Run:
        """When, where and how long: outside the hash."""
        return self._block("run", Run)

    def _block(self, name: str, kind: type[T]) -> T:
        """A block of the document in its type."""
        if name not in self.document:
            raise RecordError(f"this record was loaded without its {name}.")
        try:
            return read_document(self.document[name], kind, name)
        except WrongError as wrong:
            raise RefusedError("schema", str(wrong)) from None

    @property
    def name(self) -> str:
        """The poisoner's name: its file's stem."""
        return self.poisoner.name

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The poisoner's parameters that are not at their defaults."""
        return dict(self.poisoner.parameters)

    @property
    def label(self) -> str:
        """Name and non-default parameters, as in `adversarial_path(bucket=3)`."""
        return presentation.label(self.name, self.parameters)

    @property
    def labels_sha256(self) -> tuple[str, ...]:
        """Per split, the hash of the poisoned labels as little-endian int64."""
        return tuple(self.document["labels_sha256"])

    @property
    def trainings(self) -> tuple[int, ...]:
        """Per split, victims that the poisoner says it trained."""
        return tuple(self.document["trainings"])

    @property
    def flags(self) -> tuple[str, ...]:
        """What a reader should know; see `FLAGS` and `meaning`."""
        return tuple(self.document["flags"])

    @property
    def ranked(self) -> bool:
        """Whether it may stand on the leaderboard."""
        return bool(self.document["ranked"])

    @property
    def labels_only(self) -> bool:
        """Whether it scores published labels, whose place on the Hub stands for the poisoner's source."""
        return self.poisoner.source.startswith(LABELS_ONLY)

    @property
    def sandbox(self) -> str:
        """What the poisoner ran in: `bubblewrap`, `landlock` or `none`."""
        return str(self.document["sandbox"])

    @property
    def code_sha256(self) -> str:
        """Hash of the code of lnbench that can move the victims' bits."""
        return str(self.document["code_sha256"])

    @property
    def season(self) -> str | None:
        """The season whose salt drew the splits, or None for the public salt."""
        season: str | None = self.document["season"]
        return season

    @property
    def salt(self) -> str | None:
        """`public` or `own`; None for any other, which the record does not tell."""
        salt: str | None = self.document["salt"]
        return salt

    @property
    def salt_commitment(self) -> str:
        """What it is committed to; see `Streams.commitment`."""
        return str(self.document["salt_commitment"])

    def streams(self, *known: str | None) -> Streams | None:
        """The random streams that drew its splits, if its salt is public, its own or among these; None otherwise."""
        own = own_salt(self.track.root, self.poisoner.sha256, self.parameters) if self.salt == OWN else None
        return salts.matching(self.salt_commitment, self.track.root, own, *known)

    @property
    def started(self) -> str:
        """When the run began, ISO 8601: real, and neither before 2020 nor in the future.

        It lies outside the hash, so it is a claim that whoever holds the file can change without a trace. Nothing on a
        board may be ordered by it alone.
        """
        return str(self.document["run"]["started"])

    @property
    def sha256(self) -> str:
        """Hash of everything but `run` and itself."""
        return str(self.document["sha256"])

    @property
    def filename(self) -> str:
        """`<name>-<first 8 digits of the hash>.json`, with a name that is safe in any file system."""
        slug = re.sub(r"[^A-Za-z0-9_]+", "-", self.name).strip("-")[:60] or "poisoner"
        return f"{slug}-{self.sha256[:8]}.json"

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes two records the same row: track, salt, source and parameters."""
        parameters = canonical_json(self.document["poisoner"]["parameters"]).decode()
        return self.track.sha256, self.salt_commitment, self.poisoner.sha256, parameters

    @functools.cached_property
    def tables(self) -> Tables:
        """The victims as arrays.

        Raises:
            RecordError: if they are incomplete or disagree with the track.
        """
        return Tables(self.track, self.replication, self.victims)

    @functools.cached_property
    def split_accuracies(self) -> np.ndarray:
        """AA of the poisoned arm, mean over architectures and seeds, (split,).

        Raises:
            RecordError: if the victims are incomplete or disagree with the track.
        """
        return split_accuracies(self.tables)

    @functools.cached_property
    def split_damage_accuracies(self) -> np.ndarray | None:
        """The same under the damage attack; None on tracks without one.

        Raises:
            RecordError: if the victims are incomplete or disagree with the track.
        """
        return split_damage_accuracies(self.tables)

    @functools.cached_property
    def derived(self) -> Mapping[str, Any]:
        """The blocks `score`, `arms`, `flags` and `ranked` as they follow from the other blocks.

        Raises:
            RecordError: if the victims are incomplete or disagree with the track.
        """
        reported = [flag for flag in self.flags if flag in REPORTED]
        fixed = self.score.fixed_test_set
        return derive(self.track, self.document, fixed_test_set=fixed, reported=reported, tables=self.tables)

    @property
    def verdict(self) -> str:
        """The outcome in one sentence."""
        return presentation.verdict(self.score)


def digest(document: Mapping[str, Any], data: bytes | None = None) -> str:
    """The hash of a record's document: SHA-256 of the canonical JSON of all but `run` and `sha256`.

    Args:
        data: the document's canonical JSON, if it is at hand: the victims, by far the most of it and the last key,
            are then taken from there.
    """
    inside = {name: value for name, value in document.items() if name not in _OUTSIDE}
    if data is None or max(document) != "victims":
        return sha256_json(inside)
    before = len(canonical_json({**document, "victims": 0})) - len(b"0}\n")
    return sha256(canonical_json({**inside, "victims": 0})[: -len(b"0}\n")] + data[before:])


def read(path: str | Path) -> Record:
    """The record in a file.

    Raises:
        RecordError: in one sentence, if the file cannot be read, is not canonical JSON, breaks the schema, carries a
            track that is not what its hash says, has another hash than it states, or a date that cannot be true.
    """
    path = Path(path)
    if not path.is_file():
        raise RefusedError("file", f"{path}: there is no such file.")
    try:
        return parse(read_at_most(path, LARGEST))
    except OSError as error:
        raise RefusedError("file", f"{path}: it cannot be read ({error.strerror}).") from None
    except RefusedError as error:
        raise RefusedError(error.check, f"{path}: {error}") from None


def parse(data: bytes) -> Record:
    """The record in some bytes; see `read`."""
    document = parse_canonical(data, LARGEST)
    if (sentence := kinds.refusal(document)) is not None:
        raise RefusedError("schema", sentence)
    version = document.get("schema") if isinstance(document, dict) else None
    if type(version) is not int or version not in _READERS:
        known = ", ".join(str(v) for v in _READERS)
        raise RefusedError("schema", f"it has no schema version that this lnbench reads ({known}).")
    return _READERS[version](document, data)


def write(record: Record, path: str | Path) -> None:
    """Write the canonical JSON to a file, whole or not at all; folders are made.

    Raises:
        UnavailableError: if the disk is full or the place cannot be written.
    """
    try:
        write_atomically(Path(path), canonical_json(record.document), parents=True)
    except OSError as error:
        raise UnavailableError(f"the record cannot be written to {path}: {error.strerror}.") from None


def _read_1(document: dict[str, Any], data: bytes) -> Record:
    try:
        contents = read_document(document, RecordDocument)
    except WrongError as wrong:
        raise RefusedError("schema", str(wrong)) from None
    for block in ("score", "arms"):
        if place := difference(document[block], msgspec.to_builtins(contents[block])):
            wanted = "expected a number with a decimal point"
            raise RefusedError("schema", f"{block}{place[0]}: {wanted}, got {show(place[1])}.")
    try:
        dates.check_start(contents.run.started)
    except ValueError as expected:
        raise RefusedError("schema", f"run.started: expected {expected}, got {show(contents.run.started)}.") from None
    track = _track(canonical_json(document["track"]))
    actual = digest(document, data)
    if actual != document["sha256"]:
        raise RefusedError("hash", f"its content has sha256 {actual[:12]}…, it states {document['sha256'][:12]}….")
    record = Record(document, track)
    vars(record).update({name: contents[name] for name in _BLOCKS})
    return record


@functools.lru_cache(maxsize=64)
def _track(block: bytes) -> Track:
    stated = json.loads(block)
    try:
        track = Track.from_document(stated["document"], "track.document")
    except (ProtocolError, RecursionError, OverflowError, ValueError) as error:
        raise RefusedError("track", f"its track is not one: {str(error)[:300]}") from None
    for field, value in (("name", track.name), ("version", track.version), ("sha256", track.sha256)):
        if stated[field] != value:
            raise RefusedError("track", f"its track's document has {field} {value!r}, it states {stated[field]!r}.")
    return track


_READERS: dict[int, Callable[[dict[str, Any], bytes], Record]] = {SCHEMA: _read_1}
