"""Where each thing lies in a repository, and which paths may be there at all."""

from __future__ import annotations

import re

from lnbench import data
from lnbench.errors import RecordError
from lnbench.hub import manifest, parquet
from lnbench.hub.client import Entry
from lnbench.hub.manifest import Manifest

CARD = "README.md"
FIGURE = "figure.svg"
VICTIMS = "victims"
CARD_BYTES = 1 << 20
FIGURE_BYTES = 1 << 20
VICTIM_BYTES = 2 << 30
UNSTATED = (CARD, manifest.NAME)
"""Files that the manifest does not list: itself, and the card, which its author may edit."""
_OWN = {*UNSTATED, FIGURE, ".gitattributes"}
_VICTIM = re.compile(
    rf"{VICTIMS}/(?:README\.md|[a-z0-9][a-z0-9_-]{{0,39}}/split-\d{{2,4}}/[a-z]{{3,20}}-seed-\d{{1,4}}"
    r"(?:\.safetensors|/model\.safetensors|/config\.json))"
)
_TABLE = re.compile(r"data/(?:split-\d{2,4}|test)/(?:train|test)-\d{5}-of-\d{5}\.parquet")


def config(split: int) -> str:
    """The configuration of a split."""
    return f"split-{split:02d}"


def train_stem(split: int) -> str:
    """Path of a split's training table, without its number and suffix."""
    return f"data/{config(split)}/train"


def test_stem(split: int, fixed: bool) -> str:
    """Path of a split's test table; one for all if the test set is fixed."""
    return "data/test/test" if fixed else f"data/{config(split)}/test"


def patterns(split: int, fixed: bool) -> dict[str, str]:
    """The `data_files` of a split's configuration: train and test -> pattern."""
    return {"train": f"{train_stem(split)}-*.parquet", "test": f"{test_stem(split, fixed)}-*.parquet"}


def configs(stated: Manifest) -> list[dict[str, object]]:
    """The `configs` that the card's header must have: one a split, the first as default."""
    fixed = data.fixed_test_set(stated.track)
    return [
        {
            "config_name": config(split),
            **({"default": True} if split == stated.splits[0] else {}),
            "data_files": [{"split": part, "path": path} for part, path in patterns(split, fixed).items()],
        }
        for split in stated.splits
    ]


def ours(path: str) -> bool:
    """Whether an lnbench dataset may have a file of this path."""
    return path in _OWN or _VICTIM.fullmatch(path) is not None or _TABLE.fullmatch(path) is not None


def check_listing(entries: list[Entry]) -> dict[str, Entry]:
    """The files of a listing by path, checked before any of them is downloaded.

    Raises:
        RecordError: if one has no business in an lnbench dataset, or is larger than any such file may be.
    """
    files = {entry.path: entry for entry in entries}
    for path, entry in files.items():
        if not ours(path):
            raise RecordError(f"it holds {path[:100]!r}, which does not belong in an lnbench dataset.")
        most = {manifest.NAME: manifest.LARGEST, CARD: CARD_BYTES, FIGURE: FIGURE_BYTES}.get(path, VICTIM_BYTES)
        if not 0 <= entry.size <= most:
            raise RecordError(f"{path} has {entry.size} bytes, the most it may have are {most}.")
    for needed in (CARD, manifest.NAME):
        if needed not in files:
            raise RecordError(f"it holds no {needed}: it is not an lnbench dataset.")
    return files


def check_tables(stated: Manifest, entries: dict[str, Entry]) -> list[Entry]:
    """The tables that a manifest's splits consist of, each listed with the size that the manifest states.

    Raises:
        RecordError: if one is missing, one too many, or larger than its rows can need.
    """
    files = stated.document["files"]
    listed = {path for path in entries if path not in (*UNSTATED, ".gitattributes")}
    if listed != set(files):
        odd = sorted(listed ^ set(files))[0]
        raise RecordError(f"{odd[:100]!r} is {'not in' if odd in listed else 'only in'} {manifest.NAME}.")
    for path, entry in files.items():
        if entries[path].size != entry["bytes"]:
            raise RecordError(f"{path} has {entries[path].size} bytes, {manifest.NAME} states {entry['bytes']}.")
    tables = sorted(path for path in listed if _TABLE.fullmatch(path))
    fixed = data.fixed_test_set(stated.track)
    stems = {s for w in stated.splits for s in (train_stem(w), test_stem(w, fixed))}
    foreign = [path for path in tables if path.rsplit("-", 3)[0] not in stems]
    if foreign:
        raise RecordError(f"{foreign[0]} belongs to none of its splits.")
    rows, each = (parquet.SHARD, 1 << 14) if stated.images else (1 << 20, 64)
    for path in tables:
        training = path.rsplit("/", 1)[1].startswith("train-")
        most = (min(rows, stated.track.data.train) if training else rows) * each + (1 << 16)
        if entries[path].size > most:
            raise RecordError(f"{path} has {entries[path].size} bytes, more than its rows can need.")
    return [entries[path] for path in tables]


def tables_of(stated: Manifest, stem: str) -> list[str]:
    """The tables of a stem, in order."""
    return sorted(path for path in stated.document["files"] if path.rsplit("-", 3)[0] == stem)
