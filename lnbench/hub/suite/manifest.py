"""`suite.json`: which tracks a suite holds, from which records, and the hash of every file."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from msgspec import Meta

from lnbench import __version__
from lnbench.errors import RecordError
from lnbench.files import parse_canonical
from lnbench.hub.manifest import LARGEST, FileEntry, RepoPath, Versions
from lnbench.protocol import canonical_json, sha256
from lnbench.protocol.documents import Count, Part, Sha256, WrongError, read
from lnbench.record.record import Record
from lnbench.record.score_schema import Name

NAME = "suite.json"


class SuiteTrack(Part, frozen=True):
    """One track: `record` is the hash of the record its labels are from, `images` whether its tables hold images."""

    name: Name
    sha256: Sha256
    record: Sha256
    splits: Annotated[int, Meta(ge=1, le=1000)]
    images: bool
    victims: Count


class SuiteDocument(Part, frozen=True):
    """`suite.json`; `files` are all but the card and `suite.json` itself."""

    kind: Literal["lnbench-suite"]
    schema: Literal[1]
    tracks: Annotated[tuple[SuiteTrack, ...], Meta(min_length=1, max_length=100)]
    files: Annotated[dict[RepoPath, FileEntry], Meta(max_length=20_000)]
    versions: Versions


@dataclass(frozen=True, eq=False)
class SuiteManifest:
    """What `suite.json` says, once its form is checked.

    Attributes:
        document: the JSON object; not to be changed.
        tracks: by name, in their order.
    """

    document: Mapping[str, Any]
    tracks: Mapping[str, SuiteTrack]

    @property
    def data(self) -> bytes:
        """The file."""
        return canonical_json(self.document)

    @property
    def tag(self) -> str:
        """The tag of a revision with this manifest. It names the content, so it can mean no other."""
        return f"suite-{sha256(self.data)[:16]}"

    @property
    def files(self) -> Mapping[str, Mapping[str, Any]]:
        """Path -> `bytes` and `sha256`."""
        files: Mapping[str, Mapping[str, Any]] = self.document["files"]
        return files


def make(
    records: Sequence[Record], images: Mapping[str, bool], victims: Mapping[str, int], files: Mapping[str, Any]
) -> SuiteManifest:
    """The manifest of a suite.

    Args:
        records: one a track.
        images, victims: by the track's name.
    """
    tracks = [
        {
            "name": record.track.name,
            "sha256": record.track.sha256,
            "record": record.sha256,
            "splits": record.replication.splits,
            "images": images[record.track.name],
            "victims": victims[record.track.name],
        }
        for record in records
    ]
    versions = {"lnbench": __version__} | {n: importlib.metadata.version(n) for n in ("numpy", "pyarrow", "pillow")}
    made = {"kind": "lnbench-suite", "schema": 1, "tracks": tracks, "files": files, "versions": versions}
    return parse(canonical_json(made))


def parse(data: bytes) -> SuiteManifest:
    """The manifest in a stranger's `suite.json`.

    Raises:
        RecordError: one sentence about what is wrong with it.
    """
    try:
        document = parse_canonical(data, LARGEST)
        stated = read(document, SuiteDocument)
    except (RecordError, WrongError) as error:
        raise RecordError(f"{NAME}: {error}") from None
    tracks = {track.name: track for track in stated.tracks}
    if len(tracks) < len(stated.tracks):
        raise RecordError(f"{NAME}: it names a track twice.")
    return SuiteManifest(document, tracks)
