"""Where each thing lies in a suite, and which paths may be there at all."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from lnbench.errors import RecordError
from lnbench.hub import croissant, layout
from lnbench.hub.manifest import LARGEST as MANIFEST_BYTES
from lnbench.hub.suite import manifest
from lnbench.protocol import MATCHED, RANDOM, Track, applied, arms_of
from lnbench.record.record import LARGEST, Record

_TRACK = "[a-z0-9][a-z0-9_-]{0,39}"
_TABLE = re.compile(f"data/({_TRACK})/{layout.TABLE}")
_VICTIM = re.compile(f"{layout.VICTIMS}/({_TRACK})/{layout.VICTIM}")
_RECORD = re.compile(rf"records/({_TRACK})\.json")
_OWN = {layout.CARD, manifest.NAME, croissant.NAME, ".gitattributes"}


def ours(path: str) -> bool:
    """Whether a suite may have a file of this path."""
    return path in _OWN or any(kind.fullmatch(path) for kind in (_TABLE, _VICTIM, _RECORD))


def record_path(track: str) -> str:
    """The file of the record that a track's labels are from."""
    return f"records/{track}.json"


def victims_folder(track: str) -> str:
    """The folder of a track's victims."""
    return f"{layout.VICTIMS}/{track}"


def tables(files: Mapping[str, object], track: str) -> list[str]:
    """The tables of a track among some files."""
    return sorted(path for path in files if (match := _TABLE.fullmatch(path)) and match[1] == track)


def most_bytes(path: str) -> int:
    """The most bytes that a file may have; the card and what datasets have too are bounded by `lnbench.hub.layout`."""
    if path == manifest.NAME:
        return MANIFEST_BYTES
    return LARGEST if _RECORD.fullmatch(path) else layout.VICTIM_BYTES


def column(arm: str, seed: int, draw: int = 0) -> str:
    """The column of an arm whose labels are drawn anew for every seed."""
    return f"{arm}_{draw}_seed_{seed}" if draw else f"{arm}_seed_{seed}"


def columns(track: Track, seeds: int) -> dict[str, tuple[str, int, int]]:
    """The further columns of labels of a track's tables: name -> arm, seed and draw."""
    draws = {RANDOM: range(track.replication.random_draws), MATCHED: range(1)}
    drawn = [arm for arm in (RANDOM, MATCHED) if arm in arms_of(track)]
    named = [(arm, seed, draw) for arm in drawn for seed in range(seeds) for draw in draws[arm]]
    return {column(*one): one for one in named}


def labels_of(record: Record, clean: np.ndarray, split: int, arm: str, seed: int = 0, draw: int = 0) -> np.ndarray:
    """The labels of one arm of a split, as the record holds its flips, (n,) int64.

    Args:
        clean: the true labels, (n,) int64.

    Raises:
        RecordError: if a stranger's record has no such flips.
    """
    if arm == "clean":
        return clean
    flips, draws = record.document["flips"], record.track.replication.random_draws if arm == RANDOM else 1
    try:
        of_split = flips[arm][split]
        return applied(clean, of_split if arm == "poisoned" else of_split[seed * draws + draw])
    except (IndexError, KeyError):
        raise RecordError(
            f"the record has no flips of the arm {arm}, split {split}, seed {seed}, draw {draw}."
        ) from None
