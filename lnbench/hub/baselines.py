"""Shared baselines: the clean and random arms of the public splits, as a folder that anybody's store may read from.

They cost most of an evaluation and are the same for every poisoner. An entry is named by the hash of all that its
result depends on, environment and code included, and holds its own checksum; so a reader takes it only where it would
have computed the same, and a wrong one only by its maker's intent, which `lnbench verify --retrain` finds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lnbench.errors import RecordError
from lnbench.evaluation.store import Store
from lnbench.files import read_at_most
from lnbench.hub import card, folders, layout
from lnbench.hub.address import Address
from lnbench.protocol import CLEAN, RANDOM, Streams, Track, canonical_json
from lnbench.protocol import track as tracks

MARKER = "baselines.json"
KIND = "cells"
LARGEST = 64 << 20
"""Bytes of the largest entry that is read."""
_ENTRY = re.compile(rf"{KIND}/[0-9a-f]{{2}}/[0-9a-f]{{64}}\.json")


@dataclass(frozen=True)
class Counted:
    """What a folder of baselines holds of one track in one environment.

    Attributes:
        track, environment: the track's name and the environment's hash.
        entries, victims: how many.
    """

    track: str
    environment: str
    entries: int
    victims: int


def ours(path: str) -> bool:
    """Whether a folder of baselines may have a file of this path."""
    return path in (MARKER, layout.CARD) or _ENTRY.fullmatch(path) is not None


def build(
    source: Path,
    folder: Path,
    repo: str,
    *,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> list[Counted]:
    """Copy the entries of public baselines from a store into a folder that is a store itself.

    Of the calibrated tracks that ship, by the public salt, of the arms whose labels are no poisoner's. Entries that are
    there already stay, also where the store no longer has them.

    Args:
        source: the store's folder.
        repo: where it will be published, `user/name`.
        tell: called with the number of entries looked at and in all.

    Raises:
        RecordError: if the store holds no such entry.
        ProtocolError: if the folder holds something else.
        UnavailableError: if a folder cannot be read or written.
    """
    address = Address.parse(repo)
    folders.check(folder, ours, "a folder of shared baselines")
    public = {
        (track.sha256, Streams(track.root).commitment): track
        for track in map(tracks.load, tracks.names())
        if track.calibrated
    }
    read, target = Store(source), Store(folder)
    paths = sorted((source / KIND).glob("[0-9a-f][0-9a-f]/*.json"))
    for number, path in enumerate(paths):
        name = _name(path)
        if name is not None and shared(name, public) is not None and (value := read.get(KIND, name)) is not None:
            target.put(KIND, name, value)
        tell(number + 1, len(paths))
    counted = count(folder, public)
    if not counted:
        raise RecordError(
            f"{source} has no clean or random arms of a calibrated track's public splits; `lnbench evaluate` makes "
            "them."
        )
    text = card.environment().get_template("baselines.md.jinja").render(repo=address.repo, counted=counted)
    folders.write(folder, layout.CARD, text.encode())
    listed = [vars(one) for one in counted]
    folders.write(folder, MARKER, canonical_json({"kind": "lnbench-baselines", "schema": 1, "counted": listed}))
    return counted


def count(folder: Path, public: Mapping[tuple[str, str], Track]) -> list[Counted]:
    """What a folder of baselines holds, by track and environment."""
    counts: dict[tuple[str, str], list[int]] = {}
    for path in sorted((folder / KIND).glob("[0-9a-f][0-9a-f]/*.json")):
        name = _name(path)
        track = None if name is None else shared(name, public)
        if name is not None and track is not None:
            numbers = counts.setdefault((track.name, str(name["environment"])), [0, 0])
            numbers[0] += 1
            numbers[1] += len(name["places"])
    return [Counted(track, environment, *numbers) for (track, environment), numbers in sorted(counts.items())]


def _name(path: Path) -> dict[str, Any] | None:
    """The name in an entry's file, which the store then checks; None if there is none."""
    try:
        name = json.loads(read_at_most(path, LARGEST))["name"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return name if isinstance(name, dict) else None


def shared(name: Mapping[str, Any], public: Mapping[tuple[str, str], Track]) -> Track | None:
    """The track of an entry that may be shared, or None.

    Args:
        name: of an entry, whoever wrote it.
        public: hash of a track and commitment of its public salt -> the track.
    """
    track, salt = name.get("track"), name.get("salt")
    if name.get("arm") not in (CLEAN, RANDOM) or not isinstance(track, str) or not isinstance(salt, str):
        return None
    if not isinstance(name.get("places"), list) or not isinstance(name.get("environment"), str):
        return None
    return public.get((track, salt))
