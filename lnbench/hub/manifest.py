"""`lnbench.json`: what a poisoned dataset is made of, and the hashes that everything else in it is held against."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lnbench import __version__
from lnbench.errors import ProtocolError, RecordError
from lnbench.protocol import PUBLIC_SALT, Streams, Track, canonical_json, sha256
from lnbench.record.record import Record
from lnbench.record.schema import Wrong, anything, integer, items, mapping, number, one_of, optional, row, table, text

NAME = "lnbench.json"
SCHEMA = 1
LARGEST = 8 << 20
"""Bytes of the largest `lnbench.json` that is read."""

_HEX = text(r"[0-9a-f]{64}", 64)
_NAME = text(r"[a-z0-9][a-z0-9_-]{0,39}", 40)
_WORDS = text(most=1 << 14)
_COUNT = integer()
_PP = optional(number(-100, 100))
_PATH = text(r"[A-Za-z0-9][a-zA-Z0-9_./-]{0,199}", 200)
_FORM = table(
    kind=one_of("lnbench-dataset"),
    schema=one_of(SCHEMA),
    track=table(name=_NAME, version=_COUNT, sha256=_HEX, document=mapping(anything)),
    salt=text(r"[^\ud800-\udfff]*", most=200),  # half a character has no bytes to hash
    season=optional(_NAME),
    record=table(sha256=_HEX, drop_pp=_PP, ci95_pp=optional(row(number(), number())), quick=one_of(True, False)),
    poisoner=table(
        name=_NAME,
        parameters=mapping(anything, text(r"[A-Za-z_][A-Za-z0-9_]{0,63}", 64), 64),
        description=_WORDS,
        author=_WORDS,
        paper=_WORDS,
        license=_WORDS,
        sha256=_HEX,
    ),
    images=one_of(True, False),
    splits=items(table(split=_COUNT, flips=_COUNT, labels_sha256=_HEX, trainings=_COUNT), 1, 1000),
    files=mapping(table(bytes=_COUNT, sha256=_HEX), _PATH, 20_000),
    versions=mapping(text(most=100), text(most=40), 20),
)


@dataclass(frozen=True, eq=False)
class Manifest:
    """What `lnbench.json` says, its form judged.

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
        return Streams(self.track.sha256, self.document["salt"])

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
    document, flips = record.document, record.document["flips"]["poisoned"]
    block = document["poisoner"]
    found = {
        "kind": "lnbench-dataset",
        "schema": SCHEMA,
        "track": document["track"],
        "salt": salt,
        "season": record.season,
        "record": {
            "sha256": record.sha256,
            "drop_pp": record.score["drop_pp"],
            "ci95_pp": record.score["ci95_pp"],
            "quick": document["replication"]["quick"],
        },
        "poisoner": {
            name: block[name] for name in ("name", "parameters", "description", "author", "paper", "license", "sha256")
        },
        "images": images,
        "splits": [
            {
                "split": split,
                "flips": len(flips[split]),
                "labels_sha256": document["labels_sha256"][split],
                "trainings": document["trainings"][split],
            }
            for split in splits
        ],
        "files": files,
        "versions": {"lnbench": __version__}
        | {n: importlib.metadata.version(n) for n in ("numpy", "pyarrow", "pillow")},
    }
    return parse(canonical_json(found))


def parse(data: bytes) -> Manifest:
    """The manifest in a stranger's `lnbench.json`.

    Raises:
        RecordError: one sentence about what is wrong with it.
    """
    try:
        document = json.loads(data.decode("ascii"))
        canonical = canonical_json(document) == data
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{NAME} is not JSON: {str(error)[:120]}.") from None
    if not canonical:
        raise RecordError(f"{NAME} is not in canonical form (sorted keys, no spaces, each key once).")
    try:
        _FORM.one(document)
    except Wrong as wrong:
        raise RecordError(f"{NAME}: {wrong}.") from None
    return Manifest(document, _judged(document))


def _judged(document: Mapping[str, Any]) -> Track:
    """The track in a manifest whose form is right, after the rules that tie several of its fields together."""
    block = document["track"]
    try:
        track = Track.from_document(block["document"], "track")
    except (ProtocolError, RecursionError, OverflowError, ValueError) as error:
        raise RecordError(f"{NAME}: {str(error)[:300]}") from None
    if (track.name, track.version, track.sha256) != (block["name"], block["version"], block["sha256"]):
        raise RecordError(f"{NAME}: its track's document is not the track that it names.")
    if document["salt"] == PUBLIC_SALT and document["season"] is not None:
        raise RecordError(f"{NAME}: a season draws with its own salt, these splits were drawn with the public one.")
    splits = [entry["split"] for entry in document["splits"]]
    if splits != sorted(set(splits)) or splits[-1] >= track.replication.splits:
        raise RecordError(f"{NAME}: splits: expected ascending numbers below {track.replication.splits}, each once.")
    if any(entry["flips"] > track.noise.budget for entry in document["splits"]):
        raise RecordError(f"{NAME}: it states more flips than the track's budget of {track.noise.budget}.")
    for name, value in document["poisoner"]["parameters"].items():
        if not isinstance(value, (bool, int, float, str)) or (isinstance(value, str) and len(value) > 200):
            raise RecordError(f"{NAME}: poisoner.parameters.{name}: expected a number, true, false or a short text.")
    return track
