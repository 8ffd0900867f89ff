"""`lnbench.json`: what a poisoned dataset is made of, and the hashes that everything else in it is held against."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from lnbench import __version__
from lnbench.errors import ProtocolError, RecordError
from lnbench.files import parse_canonical
from lnbench.protocol import PUBLIC_SALT, Streams, Track, canonical_json, sha256
from lnbench.protocol.documents import LARGEST as LARGEST_INTEGER
from lnbench.protocol.documents import Count, Part, Sha256, WrongError, difference, read, show, whole
from lnbench.record.record import Record
from lnbench.record.schema import PoisonerName, TrackBlock, Words
from lnbench.record.score_schema import Ends, Name, Points

NAME = "lnbench.json"
SCHEMA = 1
LARGEST = 8 << 20
"""Bytes of the largest `lnbench.json` that is read."""

_Parameter = Annotated[
    str, Meta(pattern=whole("[A-Za-z_][A-Za-z0-9_]{0,63}"), description="the name of a parameter, an identifier")
]
_Value = Annotated[
    bool
    | Annotated[int, Meta(ge=-LARGEST_INTEGER, le=LARGEST_INTEGER)]
    | Annotated[float, Meta(ge=-1e300, le=1e300)]
    | Annotated[str, Meta(max_length=200)],
    Meta(description="a number, true, false or a text of at most 200 characters"),
]
RepoPath = Annotated[
    str, Meta(pattern=whole("[A-Za-z0-9][a-zA-Z0-9_./-]{0,199}"), description="a path inside the repository")
]
Versions = Annotated[
    dict[Annotated[str, Meta(max_length=100)], Annotated[str, Meta(max_length=40)]], Meta(max_length=20)
]


class ScoreClaim(Part, frozen=True):
    """The record that the labels are from: its hash and its score."""

    sha256: Sha256
    drop_pp: Points | None
    ci95_pp: Ends | None
    quick: bool


class PoisonerClaim(Part, frozen=True):
    """Who made the labels, as the record says; `sha256` is of the source, which is not published here."""

    name: PoisonerName
    parameters: Annotated[dict[_Parameter, _Value], Meta(max_length=64)]
    description: Words
    author: Words
    paper: Words
    license: Words
    sha256: Sha256


class SplitEntry(Part, frozen=True):
    """One split: how many labels are flipped, the hash of all its labels, and the victims trained to find them."""

    split: Count
    flips: Count
    labels_sha256: Sha256
    trainings: Count


class FileEntry(Part, frozen=True):
    """One file: its size in bytes and its hash."""

    bytes: Count
    sha256: Sha256


class ManifestDocument(Part, frozen=True):
    """`lnbench.json`.

    Attributes:
        salt: what drew the splits.
        images: whether the tables hold images.
        files: every file but the card and `lnbench.json` itself.
        versions: of the libraries that wrote them.
    """

    kind: Literal["lnbench-dataset"]
    schema: Literal[1]
    track: TrackBlock
    salt: Annotated[str, Meta(max_length=200)]
    season: Name | None
    record: ScoreClaim
    poisoner: PoisonerClaim
    images: bool
    splits: Annotated[tuple[SplitEntry, ...], Meta(min_length=1, max_length=1000)]
    files: Annotated[dict[RepoPath, FileEntry], Meta(max_length=20_000)]
    versions: Versions


@dataclass(frozen=True, eq=False)
class Manifest:
    """What `lnbench.json` says, once its form is checked.

    Attributes:
        document: the JSON object; not to be changed.
        track: the track the labels are for, as it says itself.
    """

    document: Mapping[str, Any]
    track: Track

    @property
    def data(self) -> bytes:
        """The file."""
        return canonical_json(self.document)

    @property
    def sha256(self) -> str:
        """Of the file."""
        return sha256(self.data)

    @property
    def tag(self) -> str:
        """The tag of a revision with this manifest. It names the content, so it can mean no other."""
        return f"lnbench-{self.sha256[:16]}"

    @property
    def streams(self) -> Streams:
        """The random streams that drew its splits."""
        return Streams(self.track.root, self.document["salt"])

    @property
    def splits(self) -> list[int]:
        """The splits it holds, ascending."""
        return [entry["split"] for entry in self.document["splits"]]

    @property
    def images(self) -> bool:
        """Whether its tables hold images."""
        return bool(self.document["images"])


def make(
    record: Record, *, salt: str, images: bool, splits: list[int], files: Mapping[str, Mapping[str, Any]]
) -> Manifest:
    """The manifest of some splits of a record.

    Args:
        files: path -> `bytes` and `sha256` of every file but the card and `lnbench.json` itself.
    """
    document, flips = record.document, record.flips.poisoned
    block = document["poisoner"]
    made = {
        "kind": "lnbench-dataset",
        "schema": SCHEMA,
        "track": document["track"],
        "salt": salt,
        "season": record.season,
        "record": {
            "sha256": record.sha256,
            "drop_pp": record.score.drop_pp,
            "ci95_pp": record.score.ci95_pp,
            "quick": record.replication.quick,
        },
        "poisoner": {
            name: block[name] for name in ("name", "parameters", "description", "author", "paper", "license", "sha256")
        },
        "images": images,
        "splits": [
            {
                "split": split,
                "flips": len(flips[split]),
                "labels_sha256": record.labels_sha256[split],
                "trainings": record.trainings[split],
            }
            for split in splits
        ],
        "files": files,
        "versions": {"lnbench": __version__}
        | {n: importlib.metadata.version(n) for n in ("numpy", "pyarrow", "pillow")},
    }
    return parse(canonical_json(made))


def parse(data: bytes) -> Manifest:
    """The manifest in a stranger's `lnbench.json`.

    Raises:
        RecordError: one sentence about what is wrong with it.
    """
    try:
        document = parse_canonical(data, LARGEST)
        stated = read(document, ManifestDocument)
    except (RecordError, WrongError) as error:
        raise RecordError(f"{NAME}: {error}") from None
    if place := difference(document["record"], msgspec.to_builtins(stated.record)):
        raise RecordError(f"{NAME}: record{place[0]}: expected a number with a decimal point, got {show(place[1])}.")
    return Manifest(document, _track(stated))


def _track(stated: ManifestDocument) -> Track:
    """The track in a manifest whose form is right, after the rules that tie several of its fields together."""
    block = stated.track
    try:
        track = Track.from_document(block.document, "track")
    except (ProtocolError, RecursionError, OverflowError, ValueError) as error:
        raise RecordError(f"{NAME}: {str(error)[:300]}") from None
    if (track.name, track.version, track.sha256) != (block.name, block.version, block.sha256):
        raise RecordError(f"{NAME}: its track's document is not the track that it names.")
    if stated.salt == PUBLIC_SALT and stated.season is not None:
        raise RecordError(f"{NAME}: a season draws with its own salt, these splits were drawn with the public one.")
    splits = [entry.split for entry in stated.splits]
    if splits != sorted(set(splits)) or splits[-1] >= track.replication.splits:
        raise RecordError(f"{NAME}: splits: expected ascending numbers below {track.replication.splits}, each once.")
    if any(entry.flips > track.noise.budget for entry in stated.splits):
        raise RecordError(f"{NAME}: it states more flips than the track's budget of {track.noise.budget}.")
    return track
